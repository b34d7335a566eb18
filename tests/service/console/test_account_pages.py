"""Pages of accounts whose ids no path can hold, and the links that lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from support.service_client import Running, running
from support.small_traffic import TEMPLATES, Row, done, row, written

ODD = (
    ".",
    "..",
    "a\nb: not a line of a log",
    "../../x",
    "acc/slash?x=1#f",
    "a%2fb",
    "a&id=b",
    "<b>x</b>",
    "%",
)


def odd_rows() -> Iterator[Row]:
    for number in range(90):
        account = ODD[number % len(ODD)]
        words = f"river{number} market{number % 7} engine{number % 5}"
        yield row(number, TEMPLATES[0].format(words), account, 20 * number)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = Path(tmp_path_factory.mktemp("odd") / "home")
    done("nightly", written(home.parent / "odd.jsonl", list(odd_rows())), "--home", home)
    with running(home) as started:
        started.client.headers.update(started.key("read"))
        yield started


def test_every_account_of_the_list_has_the_page_that_its_link_names(service: Running) -> None:
    links = re.findall(r'<th scope="row"><a href="([^"]+)">([^<]*)</a>', service.client.get("/accounts").text)
    assert {unescape(name) for _, name in links} == set(ODD)
    for link, name in links:
        got = service.client.get(unescape(link))
        assert got.status_code == 200
        assert name in got.text
        assert TEMPLATES[0].split("{")[0][:20] in got.text


@pytest.mark.parametrize("account", ODD)
def test_an_id_typed_in_full_opens_its_page(service: Running, account: str) -> None:
    got = service.client.get("/accounts", params={"account": account})
    if any(other.startswith(account) for other in ODD if other != account):
        assert got.status_code == 200
        return
    assert service.client.get(got.headers["location"]).status_code == 200


@pytest.mark.parametrize(("only", "words"), [("departed", "unlike honest traffic"), ("relay", "take turns")])
def test_an_empty_list_says_of_what(service: Running, only: str, words: str) -> None:
    empty = re.search(r'<div class="empty"><p>(.*?)</p>', service.client.get(f"/accounts?only={only}").text)
    assert empty is not None
    assert words in empty[1]


def test_links_of_earlier_reports_lead_to_the_page(service: Running) -> None:
    got = service.client.get("/accounts/acc%2Fslash%3Fx%3D1%23f")
    assert got.headers["location"] == "/account?id=acc%2Fslash%3Fx%3D1%23f"


@pytest.mark.parametrize(("asked", "status"), [("", 422), ("?id=nobody", 404), ("?id=a%00b", 422)])
def test_no_page_without_an_account(service: Running, asked: str, status: int) -> None:
    assert service.client.get(f"/account{asked}").status_code == status
