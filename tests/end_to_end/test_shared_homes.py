"""Every home that a night makes can be exported whole and imported by an empty one, which then has the same families."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.same_signatures import assert_same
from support.simulated import together
from support.small_traffic import done

from fingerprint import Home, Settings, nightly
from fingerprint.domain.signature import Signature
from fingerprint.simulate import SimulationConfig
from fingerprint.store.store import Store

WORLD = SimulationConfig(
    rows=600, accounts=80, campaigns=4, honest_templates=8, smallest=0.04, honest_share=0.3, load=4
)

WORLDS = st.builds(
    replace,
    st.just(WORLD),
    seed=st.integers(1, 10**6),
    days=st.integers(1, 2),
    evasion=st.sampled_from(["none", "mix", "reword:0.8", "inject_end", "translation", "swap"]),
    repeats=st.sampled_from([0.0, 0.5]),
    honest_share=st.sampled_from([0.1, 0.4]),
)


def families(home: Path) -> dict[str, Signature]:
    with Store.open(home, read_only=True) as store:
        return {s.family_id: s for s in store.signatures()}


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=WORLDS, least=st.integers(2, 3))
def test_a_home_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, world: SimulationConfig, least: int
) -> None:
    folder = tmp_path_factory.mktemp("shared")
    rows = together(world).select(["request_id", "account_id", "timestamp", "system", "prompt", "day"])
    for number in range(1, world.days + 1):
        name = folder / f"day{number}.parquet"
        pq.write_table(rows.filter([d == f"day{number}" for d in rows["day"].to_pylist()]), name)
        nightly([name], Home(folder / "home"), Settings(min_accounts=least))
    made = families(folder / "home")
    assert made
    for format_ in ("json", "stix"):
        done(
            *("export", "--all", "--min-accounts", 1, "--format", format_),
            *("--home", folder / "home", "--output", folder / f"shared.{format_}.json"),
        )
        done("import", folder / f"shared.{format_}.json", "--home", folder / format_)
        again = families(folder / format_)
        assert set(again) == set(made)
        for family_id, signature in made.items():
            # what one home saw last night is not shared
            assert_same(again[family_id], replace(signature, profile=None))
