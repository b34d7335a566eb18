"""Campaigns as cases, over HTTP."""

from __future__ import annotations

from pathlib import Path

from support.service_client import running


def test_a_campaign_is_worked_as_a_case(home: Path) -> None:
    with running(home) as served:
        reader, ann = served.key("read"), served.key("read", "label")
        listed = served.client.get("/v1/campaigns", headers=ann).json()["items"][0]
        where = f"/v1/campaigns/{listed['campaign_id']}"
        case = served.client.get(f"{where}/case", headers=ann)
        assert case.json()["notes"] == []

        def act(status: int, etag: str | None, **body: object) -> dict[str, object]:
            headers = {**ann, **({} if etag is None else {"if-match": etag})}
            got = served.client.post(f"{where}/actions", json=body, headers=headers)
            assert got.status_code == status, got.text
            answer: dict[str, object] = got.json()
            return answer

        confirmed = act(201, case.headers["etag"], do="confirm", reason="seen before")
        act(412, case.headers["etag"], do="benign", reason="a course")
        act(428, None, do="close")
        act(422, "*", do="benign")
        act(422, "*", do="divide")
        act(404, "*", do="merge", into="nothing")
        for do in ({"do": "assign", "to": "bob"}, {"do": "note", "text": "asked"}, {"do": "close"}):
            act(201, "*", **do)
        now = served.client.get(f"{where}/case", headers=ann).json()
        assert (now["assignee"], now["closed"] is None, now["notes"][0]["text"]) == ("bob", False, "asked")
        family = served.client.get(f"/v1/families/{listed['families'][0]}", headers=ann).json()
        assert (family["label"], family["campaign_id"]) == ("campaign", listed["campaign_id"])
        undone = served.client.post(f"/v1/actions/{confirmed['id']}/undo", headers=ann)
        assert (undone.status_code, undone.json()["words"][:7]) == (201, "undone:")
        assert served.client.post(f"/v1/actions/{confirmed['id']}/undo", headers=ann).status_code == 412
        assert (
            served.client.post(f"{where}/actions", json={"do": "reopen"}, headers=reader).status_code == 403
        )
