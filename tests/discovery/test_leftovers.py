"""What no family holds is remembered for some nights: enough to find a campaign by, and no text of one account."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.small_traffic import TEMPLATES, WORDS, Row, row, written

from fingerprint.discovery import leftovers
from fingerprint.discovery.batch import collect
from fingerprint.domain.results import NightReport
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs.nightly import nightly
from fingerprint.store.store import Store
from fingerprint.text.ngrams import shingle
from fingerprint.traffic.reader import read_traffic

DAY = 86_400
FEW = 5
"""Requests of the campaign a night; a family of one night needs 8."""


def night(day: int, *, honest: int = 200) -> list[Row]:
    random = np.random.default_rng(day)
    sent = [
        (DAY * day + 40_000 + 3 * i, f"pool{(FEW * day + i) % 8}", TEMPLATES[0].format(words(random, 6)))
        for i in range(FEW)
    ]
    sent += [
        (DAY * day + int(random.integers(DAY)), f"user{random.integers(60)}", words(random, 20))
        for _ in range(honest)
    ]
    return [row(1000 * day + i, text, account, at) for i, (at, account, text) in enumerate(sorted(sent))]


def with_question(day: int, *, honest: int = 600, often: int = 150) -> list[Row]:
    """A night without the campaign, in which people send one question in a few spellings all day long."""
    random = np.random.default_rng(1_000 + day)
    asked = words(np.random.default_rng(1), 18)
    spelt = [asked, f"{asked} please", f"please {asked}", f"{asked} thanks"]
    texts = [spelt[int(n)] for n in random.integers(0, len(spelt), often)]
    texts += [words(random, 20) for _ in range(honest)]
    at = DAY * day + random.uniform(0, DAY, len(texts))
    order = np.argsort(at)
    return [
        row(1_000 * day + n, texts[i], f"user{random.integers(400)}", int(at[i])) for n, i in enumerate(order)
    ]


def words(random: np.random.Generator, count: int) -> str:
    return " ".join(random.choice(WORDS, count))


def worked(folder: Path, day: int, home: Path) -> NightReport:
    return nightly([written(folder / f"{day}.jsonl", night(day))], Home(home))


def campaign(home: Path) -> list[str]:
    with Store.open(home, read_only=True) as store:
        return [f.template for f in store.families() if "hidden reasoning" in f.template]


def test_a_campaign_too_small_for_one_night_is_found_over_several(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert worked(tmp_path, 0, home).families == 0
    found = [worked(tmp_path, day, home) for day in (1, 2)]
    assert sum(report.new_families for report in found) == 1
    assert len(campaign(home)) == 1
    again = worked(tmp_path, 3, home)
    assert (again.new_families, again.families, again.assigned) == (0, 1, FEW)


def test_what_anybody_sends_at_any_time_is_none_for_what_is_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for day in range(4):
        report = nightly([written(tmp_path / f"{day}.jsonl", with_question(day))], home)
        assert report.families == 0


def test_a_night_does_not_remember_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _ in range(3):
        assert worked(tmp_path, 0, home).families == 0
    assert len(list((home / "unexplained").iterdir())) == 1


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    home = tmp_path / "home"
    worked(tmp_path, 0, home)
    assert worked(tmp_path, Settings().retention_days + 2, home).families == 0
    (kept,) = (home / "unexplained").iterdir()
    assert float(kept.stem.rpartition("-")[2]) > DAY * Settings().retention_days


def test_nothing_is_remembered_where_nothing_may_be(tmp_path: Path) -> None:
    home = tmp_path / "home"
    worked(tmp_path, 0, home)
    for day in (1, 2):
        traffic = written(tmp_path / f"{day}.jsonl", night(day))
        assert nightly([traffic], Home(home), Settings(retention_days=0)).families == 0
        assert not list((home / "unexplained").iterdir())


def test_nothing_that_one_account_sent_alone_is_kept(tmp_path: Path) -> None:
    traffic = written(tmp_path / "t.jsonl", night(0))
    nightly([traffic], Home(tmp_path / "home"))
    (path,) = (tmp_path / "home/unexplained").iterdir()
    kept = pa.ipc.open_file(path.read_bytes()).read_all()
    assert 0 < len(kept) <= leftovers.MAX_PROMPTS
    batch = collect(read_traffic([traffic], rejects=None))
    grams = shingle(batch.token_hashes, batch.section, batch.offsets)
    prompt = np.repeat(np.arange(batch.distinct), np.diff(grams.offsets))
    senders: dict[int, set[int]] = {}
    account = dict(zip(batch.prompt.tolist(), batch.account.tolist(), strict=True))
    for gram, of in zip(grams.hashes.tolist(), prompt.tolist(), strict=True):
        senders.setdefault(gram, set()).add(account[of])
    remembered = kept.column("grams").combine_chunks().flatten().to_pylist()
    assert min(len(senders[gram]) for gram in remembered) >= 2


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "MAX_PROMPTS", 3)
    worked(tmp_path, 0, tmp_path / "home")
    (path,) = (tmp_path / "home/unexplained").iterdir()
    assert len(pa.ipc.open_file(path.read_bytes()).read_all()) == 3
