"""Simulated requests are who sent what and when, as the settings ask and the truth says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.simulated import EVASIVE, SMALL, only, together

from fingerprint.domain.errors import UsageError
from fingerprint.simulate import SIMULATED_SCHEMA, simulate


@pytest.fixture(scope="module")
def small() -> pa.Table:
    return together(SMALL)


def test_same_seed_same_rows_whatever_the_chunks_and_threads(small: pa.Table) -> None:
    assert together(SMALL, chunk_rows=777, threads=1).equals(small)
    assert not together(replace(SMALL, seed=2)).equals(small)


def test_chunks_have_the_size_asked_for() -> None:
    sizes = [table.num_rows for table in simulate(replace(SMALL, rows=2_500), chunk_rows=1_000)]
    assert sizes == [1_000, 1_000, 500]


def test_rows_schema_order_and_ids(evasive: pa.Table) -> None:
    assert evasive.schema.equals(SIMULATED_SCHEMA)
    assert evasive.num_rows == EVASIVE.rows
    assert Counter(evasive["day"].to_pylist()) == {"day1": 3_000, "day2": 3_000, "day3": 3_000}
    times = evasive["timestamp"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    assert {f"day{1 + d}" for d in (times // 86_400_000_000 - times[0] // 86_400_000_000)} == {
        "day1",
        "day2",
        "day3",
    }
    assert len(pc.unique(evasive["request_id"])) == EVASIVE.rows
    assert evasive["timestamp"][0].as_py().date() == EVASIVE.start
    for text in evasive["prompt"].to_pylist():  # decodes, so is valid UTF-8
        assert "«" not in text
        assert "»" not in text


def test_truth_agrees_with_the_traffic(evasive: pa.Table) -> None:
    for row in evasive.to_pylist():
        assert (row["campaign"] is not None) == (row["role"] == "campaign")
        assert (row["family"] is None) == (row["role"] == "background")
        assert row["role"] == "campaign" or row["evasion"] == "none"
        assert row["role"] == "background" or row["repeat"] is None
    sent = Counter(evasive["account_id"].to_pylist())
    campaign = Counter(only(evasive, "role", "campaign")["account_id"].to_pylist())
    for account, mixing in set(
        zip(evasive["account_id"].to_pylist(), evasive["mixing"].to_pylist(), strict=True)
    ):
        assert mixing == pytest.approx(campaign[account] / sent[account], abs=1e-4)


def test_sizes_and_shares(small: pa.Table) -> None:
    by_campaign = Counter(only(small, "role", "campaign")["campaign"].to_pylist())
    for number, share in enumerate(SMALL.sizes(), 1):
        assert by_campaign[f"c{number:03d}"] == pytest.approx(max(12, share * SMALL.rows), rel=0.2, abs=3)
    assert only(small, "role", "benign_template").num_rows == pytest.approx(
        SMALL.honest_share * SMALL.rows, rel=0.15
    )
    background = only(small, "role", "background")
    assert 1 - background["repeat"].null_count / background.num_rows == pytest.approx(SMALL.repeats, abs=0.02)


def test_more_campaigns_are_as_small_as_the_smallest() -> None:
    config = replace(SMALL, campaigns=3, largest=0.1, smallest=0.02, more=2)
    assert config.sizes() == pytest.approx((0.1, 0.1 * 0.2**0.5, 0.02, 0.02, 0.02))
    by_campaign = Counter(only(together(config), "role", "campaign")["campaign"].to_pylist())
    assert by_campaign["c005"] == pytest.approx(0.02 * config.rows, rel=0.2, abs=3)
    with pytest.raises(UsageError, match="more"):
        replace(SMALL, more=-1)


def test_popular_prompts_repeat_mostly_verbatim(small: pa.Table) -> None:
    repeated = small.filter(pc.equal(small["repeat"], "0"))
    texts = Counter(repeated["prompt"].to_pylist())
    assert 0.7 < texts.most_common(1)[0][1] / repeated.num_rows < 1
    assert len(set(repeated["account_id"].to_pylist())) > 50


def test_campaigns_load_their_pool_evenly_and_in_bursts() -> None:
    config = replace(SMALL, rows=12_000, largest=0.08, families=1)
    one = only(together(config), "campaign", "c001")
    loads = np.array(list(Counter(one["account_id"].to_pylist()).values()))
    assert loads.max() - loads.min() <= 1
    assert len(loads) >= 15
    jittered = only(together(replace(config, jitter=0.9)), "campaign", "c001")
    assert minutes_active(one) < 300 < minutes_active(jittered)


def minutes_active(table: pa.Table) -> int:
    return len(np.unique(table["timestamp"].cast(pa.int64()).to_numpy() // 60_000_000))


def test_background_follows_the_day(small: pa.Table) -> None:
    hours = pc.hour(only(small, "role", "background")["timestamp"]).to_numpy()
    counts = np.bincount(hours, minlength=24)
    assert 1.5 < counts.max() / counts.min() < 4


def test_metadata(small: pa.Table) -> None:
    entries = [orjson.loads(text) for text in small["metadata"].to_pylist()]
    assert all({"ip_prefix", "user_agent"} <= entry.keys() for entry in entries)
    assert 0.9 < np.mean(["payment_hash" in entry for entry in entries]) < 1
    none = together(replace(SMALL, rows=500, metadata=False))
    assert none["metadata"].null_count == 500


def payers(table: pa.Table) -> tuple[set[str], set[str]]:
    found: dict[str, set[str]] = {"campaign": set(), "background": set()}
    for row in table.filter(pc.is_in(table["mixing"], pa.array([0.0]), skip_nulls=True)).to_pylist():
        found["background"].add(orjson.loads(row["metadata"]).get("payment_hash", ""))
    for row in only(table, "role", "campaign").to_pylist():
        found["campaign"].add(orjson.loads(row["metadata"]).get("payment_hash", ""))
    return found["campaign"] - {""}, found["background"] - {""}


def test_payment_groups_hold_honest_accounts_only_when_mixed() -> None:
    config = replace(SMALL, mixing=(1.0,))
    mixed = payers(together(replace(config, payment="mixed")))
    plain = payers(together(config))
    assert len(mixed[0] & mixed[1]) > len(plain[0] & plain[1]) + 5


def test_pools_change_from_day_to_day(evasive: pa.Table) -> None:
    largest = only(evasive, "campaign", "c001")
    days = [set(only(largest, "day", day)["account_id"].to_pylist()) for day in ("day1", "day2", "day3")]
    for before, after in pairwise(days):
        assert 0.75 < len(before & after) / len(before) < 1


def test_accounts_of_one_volume_mix_in_the_share_asked_for() -> None:
    config = replace(
        SMALL, rows=24_000, accounts=400, volume=60, mixing=(0.1, 0.5), largest=0.1, smallest=0.05
    )
    sent = together(config)
    requests = Counter(sent["account_id"].to_pylist())
    low, high = np.quantile(list(requests.values()), [0.1, 0.9])
    assert 40 < low < 60 < high < 80
    campaign = Counter(only(sent, "role", "campaign")["account_id"].to_pylist())
    share = np.array([count / requests[account] for account, count in campaign.items()])
    near = [np.abs(share - wanted) < 0.4 * wanted for wanted in config.mixing]
    assert np.mean(near[0] | near[1]) > 0.8
    assert min(mask.sum() for mask in near) > 20


def test_suites_are_honest_templates_of_one_set_of_users() -> None:
    found = together(replace(SMALL, suites=3)).select(["account_id", "role", "family"])
    suites = found.filter(pc.starts_with(found["family"], "suite:"))
    users = {
        name: Counter(only(suites, "family", name)["account_id"].to_pylist())
        for name in pc.unique(suites["family"]).to_pylist()
    }
    assert 9 <= len(users) <= 15
    closest = [max(len(a & b) / len(a) for n, b in users.items() if n != name) for name, a in users.items()]
    assert np.median(closest) > 0.4
    loads = [np.array(list(count.values())) for count in users.values()]
    assert np.median([load.var() / load.mean() for load in loads]) > 1.5


def test_some_campaigns_start_late_stop_early_or_turn_to_another_template(evasive: pa.Table) -> None:
    days: dict[str, set[str]] = {}
    families: dict[tuple[str, str], set[str]] = {}
    for row in only(evasive, "role", "campaign").select(["day", "campaign", "family"]).to_pylist():
        days.setdefault(row["campaign"], set()).add(row["day"])
        families.setdefault((row["campaign"], row["day"]), set()).add(row["family"])
    assert any("day1" not in active for active in days.values())
    assert any("day3" not in active for active in days.values())
    assert any(families[c, "day1"] != families[c, "day3"] for c, active in days.items() if len(active) == 3)
