"""Who sent a family or campaign, over HTTP."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.service_client import Running, running


@pytest.fixture(scope="module")
def served(worked: Path) -> Iterator[Running]:
    with running(worked) as service:
        yield service


def test_pages_of_a_family_and_of_a_campaign_hold_every_account_once(served: Running, family: str) -> None:
    campaign = served.client.get("/v1/campaigns").json()["items"][0]
    for where in (f"/v1/families/{family}/accounts", f"/v1/campaigns/{campaign['campaign_id']}/accounts"):
        listed: list[dict[str, object]] = []
        query = {"page_size": 5, "sort": "share"}
        while True:
            page = served.client.get(where, params=query).json()
            assert page["total"] == 12
            listed += page["items"]
            if page["next"] is None:
                break
            query["page_token"] = page["next"]
        assert sorted(str(a["account_id"]) for a in listed) == sorted(f"pool{n}" for n in range(12))
        shares = [a["share"] for a in listed]
        assert shares == sorted(shares, reverse=True)  # type: ignore[type-var]
        assert listed[0]["flagged"] is True
    [one] = served.client.get(where, params={"prefix": "pool11"}).json()["items"]
    assert one["account_id"] == "pool11"


def test_the_whole_list_comes_as_csv(served: Running, family: str) -> None:
    got = served.client.get(f"/v1/families/{family}/accounts", params={"format": "csv", "sort": "account"})
    assert got.headers["content-type"].startswith("text/csv")
    assert got.headers["content-disposition"] == f'attachment; filename="accounts-{family}.csv"'
    rows = list(csv.DictReader(got.text.splitlines()))
    assert [row["account_id"] for row in rows] == sorted(f"pool{n}" for n in range(12))
    page = served.client.get(f"/v1/families/{family}/accounts", params={"sort": "account"}).json()
    assert [int(row["requests"]) for row in rows] == [a["requests"] for a in page["items"]]


def test_what_is_not_there_or_wrong_is_a_problem(served: Running, family: str) -> None:
    assert served.client.get("/v1/families/nobody/accounts").status_code == 404
    assert served.client.get("/v1/campaigns/nobody/accounts", params={"format": "csv"}).status_code == 404
    where = f"/v1/families/{family}/accounts"
    assert served.client.get(where, params={"page_token": "x"}).status_code == 400
    assert served.client.get(where, params={"sort": "size"}).status_code == 422
    assert served.client.get(where, params={"prefix": "\0"}).status_code == 422
