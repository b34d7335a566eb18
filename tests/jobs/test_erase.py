"""What is left of an account that was erased: not one byte in the home, on either database."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.small_traffic import done, failed, night_rows, objects, row, written

from fingerprint.domain.settings import Home
from fingerprint.jobs import nightly
from fingerprint.jobs.erase import erase_accounts
from fingerprint.jobs.lookup import open_matcher
from fingerprint.store.erasure import OF_ACCOUNTS, OF_NIGHTS
from fingerprint.store.store import Store
from fingerprint.store.tables import metadata

NAMES = ("org-erased-4711", "org-kept-0815")


def traffic(folder: Path) -> Path:
    """Two accounts beside the others: both send a template, and text of their own that one other account shares."""
    rows = night_rows(0)
    pool = [r for r in rows if r["account_id"] == "pool3"][:10]
    for number, one in enumerate(pool):
        one["account_id"] = NAMES[number % 2]
    shared = (
        "the quick brown harbour pilot counts seventeen lanterns before the evening tide turns back again"
    )
    rows += [row(9_000_000 + n, f"{shared} {n}", name, 60 * n) for n, name in enumerate((*NAMES, "third"))]
    return written(folder / "night.jsonl", rows)


def holders(home: Path, name: str) -> list[str]:
    return [str(path) for path in home.rglob("*") if path.is_file() and name.encode() in path.read_bytes()]


def test_every_table_with_accounts_or_nights_is_known() -> None:
    def having(column: str) -> set[str]:
        return {table.name for table in metadata.sorted_tables if column in table.c}

    assert having("account_id") == {table.name for table in OF_ACCOUNTS}
    assert having("batch_id") - {"nights"} == {table.name for table in OF_NIGHTS}


def test_no_byte_of_an_erased_account_is_left(tmp_path: Path) -> None:
    home = tmp_path / "home"
    nightly.nightly([traffic(tmp_path)], Home(home))
    (home / "work" / "read").mkdir(parents=True)  # of a night that was killed
    (home / "work" / "read" / "accounts.arrow").write_text(NAMES[0])
    assert holders(home / "unexplained", NAMES[0])
    before = {r["family_id"]: r["accounts"] for r in objects("families", "--home", home, "--json")}
    (answer,) = objects("accounts", "erase", NAMES[0], "nobody", "--home", home, "--by", "ann", "--json")
    assert (answer["accounts"], answer["mentions"]) == (1, 0)
    assert holders(home, NAMES[0]) == []
    assert holders(home, NAMES[1])
    after = {r["family_id"]: r["accounts"] for r in objects("families", "--home", home, "--json")}
    assert after == {family: count - 1 for family, count in before.items()}
    with Store.open(home, read_only=True) as store:
        line = store.access.audit()[0]
    assert (line.actor, line.action, line.subject) == ("ann", "account.erase", "accounts")
    assert line.detail == {"accounts": 1, "families": answer["families"]}
    assert "0 of 1 accounts erased" in done("accounts", "erase", NAMES[0], "--home", home)


def test_an_erased_account_is_no_known_sender(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    night = traffic(tmp_path)
    nightly.nightly([night], home)
    sent = next(r for r in map(json.loads, night.read_text().splitlines()) if r["account_id"] == NAMES[0])
    known = open_matcher(home).one(sent["prompt"], None, NAMES[0])
    assert known.known_sender
    erase_accounts(home, [NAMES[0]], by="ann")
    assert not open_matcher(home).one(sent["prompt"], None, NAMES[0]).known_sender
    assert len(list(home.snapshots.iterdir())) == 1


def test_rows_are_erased_on_either_database(tmp_path: Path, store_url: str | None) -> None:
    home = Home(tmp_path / "home", store_url)
    nightly.nightly([traffic(tmp_path)], home)
    erase_accounts(home, [NAMES[0]], by="ann")
    with Store.open(home.path, store_url, read_only=True) as store, store.database.reading() as connection:
        for table in OF_ACCOUNTS:
            names = set(connection.scalars(sa.select(table.c.account_id)))
            assert NAMES[0] not in names
            assert NAMES[1] in names or table.name == "account_features"


def test_what_people_wrote_is_counted_and_left(home: Path, family: str) -> None:
    done("label", family, "benign", "--reason", "asked by pool3", "--home", home)
    (answer,) = objects("accounts", "erase", "pool3", "--home", home, "--json")
    assert answer["mentions"] == 3  # the label, the action, and its line in the audit log


def test_ids_come_from_stdin_and_the_list_is_as_before(home: Path) -> None:
    listed = objects("accounts", "--home", home, "--format", "jsonl")
    assert {r["account_id"] for r in listed} >= {"pool3", "pool4"}
    assert "2 of 2 accounts erased" in done("accounts", "erase", "-", "--home", home, stdin="pool3\npool4\n")
    left = objects("accounts", "--home", home, "--format", "jsonl")
    assert [r["account_id"] for r in left] == [
        r["account_id"] for r in listed if r["account_id"] not in ("pool3", "pool4")
    ]
    assert "at least one account id" in failed(2, "accounts", "erase", "-", "--home", home, stdin="")


@pytest.mark.parametrize("kept", [False, True])
def test_old_nights_are_forgotten_and_families_stay(
    kept: bool, worked: Path, traffic: tuple[Path, Path], tmp_path: Path
) -> None:
    home = Path(shutil.copytree(worked, tmp_path / "home"))
    with Store.open(home) as store, store.database.writing() as connection:
        connection.execute(sa.text("UPDATE nights SET started = '2020-01-01 00:00:00'"))
    families = {r["family_id"] for r in objects("families", "--home", home, "--json")}
    accounts = {r["account_id"] for r in objects("accounts", "--home", home, "--json")}
    done("nightly", traffic[1], "--home", home, *([] if kept else ["--keep-days", 30]))
    assert families <= {r["family_id"] for r in objects("families", "--home", home, "--json")}
    assert len(objects("nights", "--home", home, "--json")) == (2 if kept else 1)
    with Store.open(home, read_only=True) as store:
        days = {str(day) for day in store.account_totals()["first_day"].to_pylist()}
    assert any(day.startswith("2026-03-02") for day in days) is kept
    assert accounts
