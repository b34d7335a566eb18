"""The morning report of a worked home: printed, as JSON, as a file, and as the console's page."""

from __future__ import annotations

from pathlib import Path

from support.service_client import running
from support.small_traffic import done, failed, objects


def test_it_is_printed_and_is_json(worked: Path) -> None:
    page = done("report", "--home", worked)
    assert page.startswith("last night: traffic of 2026-03-02 ")
    assert "2 new families of 1 campaign, 1 of them new" in page
    assert "12 sent " in page
    [report] = objects("report", "--home", worked, "--json")
    assert report["families"]["total"] == 2  # type: ignore[index,call-overload]
    assert report["accounts"]["total"] == 12  # type: ignore[index,call-overload]
    assert report["home_bytes"]["database"] > 0  # type: ignore[index,call-overload]
    assert {a["account_id"] for a in report["accounts"]["rows"]} == {f"pool{i}" for i in range(12)}  # type: ignore[index,call-overload]
    assert report == objects("report", "--home", worked, "--night", "1", "--format", "jsonl")[0]


def test_a_file_to_mail(worked: Path, tmp_path: Path) -> None:
    file = tmp_path / "night.html"
    told = done("report", "--home", worked, "--html", file, "--links", "https://console.example/")
    assert told.startswith(f"{file}: ")
    page = file.read_text()
    assert 'href="https://console.example/campaigns/' in page
    assert "Newly flagged" in page
    assert "cannot be written" in failed(
        5, "report", "--home", worked, "--html", tmp_path / "no" / "night.html"
    )


def test_nights_that_are_not_there(worked: Path, tmp_path: Path) -> None:
    assert "no night 9" in failed(7, "report", "--home", worked, "--night", "9")
    assert "no home here yet" in failed(5, "report", "--home", tmp_path / "none")


def test_the_consoles_page_and_its_file(home: Path) -> None:
    with running(home) as service:
        key = service.key("read")
        page = service.client.get("/last-night", headers=key)
        assert page.status_code == 200
        assert "Accounts to act on" in page.text
        file = service.client.get("/last-night/file", headers=key)
        assert file.headers["content-disposition"] == 'attachment; filename="night-2026-03-02.html"'
        assert 'href="http://127.0.0.1:8765/families/' in file.text
        assert service.client.get("/last-night?night=99", headers=key).status_code == 404
        assert service.client.get("/last-night", follow_redirects=False).status_code == 303
