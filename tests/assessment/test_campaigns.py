from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from support.bare_signatures import signature

from fingerprint.assessment import campaigns
from fingerprint.domain.rows import AccountRow, CampaignRow
from fingerprint.domain.signature import Signature

Sent = dict[str, dict[str, int]]
"""Conversations by family and account."""


def history(sent: Sent) -> pa.Table:
    rows = [(f, a, n) for f, by_account in sent.items() for a, n in by_account.items()]
    columns = zip(*rows, strict=True) if rows else [(), (), ()]
    types = [pa.large_string(), pa.large_string(), pa.int64()]
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    return pa.table(arrays, names=["family_id", "account_id", "conversations"])


def family(
    name: str, score: float = 0.99, *, flagged: bool = True, campaign_id: str | None = None
) -> Signature:
    return replace(signature({1: 1.0}, name), score=score, flagged=flagged, campaign_id=campaign_id)


def grouped(families: list[Signature], sent: Sent, accounts: int = 10_000) -> list[CampaignRow]:
    pool, _ = campaigns.pools(history(sent), [f.family_id for f in families])
    return campaigns.campaigns(families, pool, accounts)


def assessed(
    families: list[Signature], sent: Sent, totals: dict[str, int] | None = None
) -> dict[str, AccountRow]:
    pool, names = campaigns.pools(history(sent), [f.family_id for f in families])
    return {row.account_id: row for row in campaigns.accounts(families, pool, names, totals or {})}


def pool_of(numbers: range) -> dict[str, int]:
    return {f"a{n}": 3 for n in numbers}


def test_pools_count_requests_of_the_named_families_only() -> None:
    pool, names = campaigns.pools(
        history({"f": {"a": 2, "b": 1}, "other": {"c": 9}, "g": {"b": 4}}), ["g", "f"]
    )
    place = {name: n for n, name in enumerate(names.to_pylist())}
    assert pool.shape[0] == 2
    assert pool[1, place["a"]] == 2
    assert pool[0, place["b"]] == 4
    assert pool.sum() == 7


def test_families_of_one_pool_are_one_campaign() -> None:
    sent = {"f": pool_of(range(40)), "g": pool_of(range(10, 50)), "h": pool_of(range(500, 540))}
    rows = grouped([family("f"), family("g"), family("h")], sent)
    assert sorted(row.families for row in rows) == [("f", "g"), ("h",)]
    assert all(row.flagged for row in rows)


def test_pools_that_overlap_by_chance_are_not() -> None:
    # half of a small pool is in a pool of nearly everybody
    sent = {"f": pool_of(range(900)), "g": {**pool_of(range(20)), **pool_of(range(950, 960))}}
    assert len(grouped([family("f"), family("g")], sent, accounts=1000)) == 2


def test_only_flagged_families_make_campaigns() -> None:
    sent = {"f": pool_of(range(40)), "g": pool_of(range(40))}
    assert grouped([family("f", flagged=False), family("g", flagged=False)], sent) == []
    (row,) = grouped([family("f"), family("g", flagged=False)], sent)
    assert row.families == ("f",)


def test_a_campaign_keeps_its_id_when_families_join_it() -> None:
    sent = {"f": pool_of(range(40)), "g": pool_of(range(40))}
    (row,) = grouped([family("f", campaign_id="spring"), family("g")], sent)
    assert row.campaign_id == "spring"
    (first,) = grouped([family("f")], sent)
    (again,) = grouped([family("f", campaign_id=first.campaign_id), family("g")], sent)
    assert again.campaign_id == first.campaign_id


def test_two_groups_never_share_an_id() -> None:
    # a campaign whose pools came apart
    sent = {"f": pool_of(range(40)), "g": pool_of(range(100, 140))}
    rows = grouped([family("f", campaign_id="c"), family("g", campaign_id="c")], sent)
    assert len({row.campaign_id for row in rows}) == len(rows) == 2


def test_nothing() -> None:
    assert grouped([], {}) == []
    assert assessed([], {"f": {"a": 1}}) == {}
    assert assessed([family("f")], {}) == {}


def test_an_account_that_only_sends_honest_templates_is_not_suspect() -> None:
    (row,) = assessed([family("f", 0.02, flagged=False)], {"f": {"a": 1000}}).values()
    assert row.score < 0.1
    assert not row.flagged


def test_campaign_requests_are_not_diluted_by_honest_ones() -> None:
    few, many = (assessed([family("f", 0.97)], {"f": {"a": 2}}, {"a": n})["a"] for n in (2, 100_000))
    assert few.score == many.score > 0.9
    assert (few.requests, many.requests) == (2, 100_000)
    assert "2 of 100000 conversations are of family f (score 0.97)" in many.evidence[0].words


@pytest.mark.parametrize("counts", [(1, 2), (2, 50)])
def test_more_requests_never_lower_a_score(counts: tuple[int, int]) -> None:
    fewer, more = (assessed([family("f", 0.5)], {"f": {"a": n}})["a"].score for n in counts)
    assert fewer <= more < 1


def test_families_add_up_and_the_most_telling_comes_first() -> None:
    families = [family("weak", 0.3, flagged=False), family("strong", 0.95)]
    row = assessed(families, {"weak": {"a": 3}, "strong": {"a": 3}})["a"]
    alone = assessed(families, {"strong": {"a": 3}})["a"]
    assert row.score > alone.score
    assert row.flagged
    assert [r.name for r in row.evidence] == ["strong", "weak"]
    assert set(row.families) == {"weak", "strong"}
    assert row.score == pytest.approx(1 - np.exp(-sum(r.contribution for r in row.evidence)))


def test_accounts_of_other_families_are_left_out() -> None:
    assert set(assessed([family("f")], {"f": {"a": 1}, "stranger": {"b": 1}})) == {"a"}
