from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from support.small_traffic import done, failed, night_rows, objects, row, written

from fingerprint.domain.settings import Home
from fingerprint.jobs import night_steps, nightly
from fingerprint.nights import night
from fingerprint.store.store import Store

STAGES = ["read", "shingle", "cluster", "refine", "describe", "judge", "store", "publish"]


@pytest.fixture
def day(tmp_path: Path) -> Path:
    return written(tmp_path / "day.jsonl", night_rows(0))


def test_stages_are_told_and_timed_in_the_order_of_the_steps(day: Path, tmp_path: Path) -> None:
    begun: list[str] = []
    report = nightly.nightly(
        [day],
        Home(tmp_path / "home"),
        on_progress=lambda stage, done, total: begun.append(stage) if (done, total) == (0, None) else None,
    )
    assert begun == STAGES
    assert list(report.seconds)[:6] == STAGES[:6]
    assert (report.families, report.new_families) == (2, 2)


@pytest.mark.parametrize(
    "step", ["discover", "topics", "describe", "rewordings", "assess", "group_campaigns"]
)
def test_a_step_that_fails_leaves_nothing_stored_and_may_be_run_again(
    step: str, day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")

    def fail(**_: object) -> None:
        raise OSError("out of order")

    with monkeypatch.context() as patch:
        patch.setattr(night_steps, step, fail)
        with pytest.raises(OSError, match="out of order"):
            nightly.nightly([day], home)
    with Store.open(home.path, read_only=True) as store:
        assert store.nights() == []
        assert store.signatures() == []
    assert not home.snapshots.exists()
    assert nightly.nightly([day], home).families == 2
    assert not home.work.exists()


@pytest.mark.parametrize(
    ("module", "step"),
    [(night, "read_unassigned"), (night_steps, "text_families")],
)
def test_what_fails_beside_the_steps_ends_the_night(
    module: ModuleType, step: str, day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("out of order aside")

    monkeypatch.setattr(module, step, fail)
    with pytest.raises(OSError, match="out of order aside"):
        nightly.nightly([day], Home(tmp_path / "home"))
    with Store.open(tmp_path / "home", read_only=True) as store:
        assert store.nights() == []


def test_odd_traffic_is_told_and_with_strict_an_error(tmp_path: Path) -> None:
    rows = [row(n, f"a prompt of its own, number {n}", "key-1", n) for n in range(220)]
    file, home = written(tmp_path / "odd.jsonl", rows), tmp_path / "home"
    words = failed(8, "nightly", file, "--home", home, "--strict", "--quiet")
    assert "one account sent 100% of the requests" in words
    assert done("nights", "--home", home, "--format", "jsonl") == ""
    (report,) = objects("nightly", file, "--home", home, "--json")
    kinds = [warning["kind"] for warning in report["ingest"]["warnings"]]
    assert kinds == ["one_account", "empty_column"]
    few = written(tmp_path / "few.jsonl", [row(1000 + n, f"another {n}", f"a{n}", n) for n in range(20)])
    shown = done("nightly", few, "--home", home)
    assert "20 requests, 220 on a usual night before" in " ".join(shown.split())
