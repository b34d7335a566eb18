"""The benchmarks' scores, on traffic small enough to work out by hand."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.common import scores
from benchmarks.common.labelled import (
    ASSIGNMENTS,
    MATCHES,
    TRUTH,
    Mismatch,
    Names,
    Truth,
    assigned,
    read,
    read_truth,
)
from benchmarks.common.measures import adjusted_rand, average_precision, f1, majority, threshold
from benchmarks.quality.bars import Bar

FLAGS = {"score": pa.float64(), "flagged": pa.bool_()}


def request(name, family=None, role=None, day="day1", **facts):
    role = role or ("campaign" if family else "background")
    campaign = "c1" if role == "campaign" else None
    plain = {"account_id": "a", "evasion": "none", "weak": False, "repeat": None}
    return {
        "request_id": name,
        "family": family,
        "role": role,
        "day": day,
        "campaign": campaign,
        **plain,
        **facts,
    }


def truth_of(tmp_path: Path, *rows: dict[str, object]) -> Truth:
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(TRUTH)), tmp_path / "truth.parquet")
    return read_truth(tmp_path / "truth.parquet")


def given(families: dict[str, str | None]) -> pa.Table:
    rows = [{"request_id": name, "family_id": family} for name, family in families.items()]
    return pa.Table.from_pylist(rows, schema=pa.schema(ASSIGNMENTS))


def flags(key: str, **rows: tuple[float, bool]) -> pa.Table:
    columns = {
        key: list(rows),
        "score": [r[0] for r in rows.values()],
        "flagged": [r[1] for r in rows.values()],
    }
    return pa.table(columns, schema=pa.schema({key: pa.large_string(), **FLAGS}))


@pytest.fixture
def night(tmp_path):
    """Template T of five requests, U of three, two of weak W; background b1 b2 (b2 popular), honest h1 h2."""
    return truth_of(
        tmp_path,
        *(request(f"t{i}", "T", evasion="nonce" if i == 5 else "none") for i in range(1, 6)),
        *(request(f"u{i}", "U") for i in range(1, 4)),
        *(request(f"w{i}", "W", weak=True) for i in (1, 2)),
        request("b1"),
        request("b2", repeat="greeting"),
        *(request(f"h{i}", "judge:x", "benign_template") for i in (1, 2)),
    )


# x = {t1 t2 t3 t4 b2}, y = {t5 u1 u2}, z = {u3, w1}: one scored request, so none; v = {h1 h2}
FOUND = dict.fromkeys(("t1", "t2", "t3", "t4", "b2"), "x") | dict.fromkeys(("t5", "u1", "u2"), "y")
FOUND |= {"u3": "z", "w1": "z", "w2": None, "b1": None, "h1": "v", "h2": "v"}


def test_families(night):
    found = scores.families(night, assigned(night, given(FOUND)))
    # precision: t1-t4 4/5 each, t5 1/3, u1 u2 2/3 each, u3 alone 1
    precision = (4 * 4 / 5 + 1 / 3 + 2 * 2 / 3 + 1) / 8
    # recall: t1-t4 4/5 each, t5 1/5, u1 u2 2/3 each, u3 1/3
    recall = (4 * 4 / 5 + 1 / 5 + 2 * 2 / 3 + 1 / 3) / 8
    overall = found.overall
    assert (overall.requests, overall.assigned) == (8, 7 / 8)
    assert overall.precision == pytest.approx(precision)
    assert overall.recall == pytest.approx(recall)
    assert overall.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    # y is mostly U: t5 is not where its like are, u3 is nowhere
    assert overall.majority_ok == 6 / 8
    assert (found.by_evasion["nonce"].requests, found.by_evasion["nonce"].recall) == (1, pytest.approx(1 / 5))
    t_f1 = f1((16 / 5 + 1 / 3) / 5, (16 / 5 + 1 / 5) / 5)
    u_f1 = f1((4 / 3 + 1) / 3, (4 / 3 + 1 / 3) / 3)
    assert found.macro_f1_over_families == pytest.approx((t_f1 + u_f1) / 2)
    assert list(found.by_family) == ["T", "U"]
    assert found.predicted_families == 3
    assert found.predicted_per_true_median == 1.5  # T in x and y, U in y
    assert found.background_in_families == 0.5
    assert found.background_unrepeated_in_families == 0
    assert found.background_in_campaign_families == 0.5
    assert found.benign_template_in_families == 1
    assert found.weak_assigned == 0.5
    # of 28 pairs T and U have 10 + 3; found has 6 (x) + 3 (y) with u3 alone; both have 6 + 1
    chance = 13 * 9 / 28
    assert found.adjusted_rand == pytest.approx((7 - chance) / (11 - chance))


def test_all_in_their_own_families(night):
    names = {"t": "T", "u": "U", "w": "W", "h": "J"}
    found = scores.families(night, assigned(night, given({name: names.get(name[0]) for name in FOUND})))
    assert {part.f1 for part in (found.overall, *found.by_family.values(), *found.by_evasion.values())} == {
        1.0
    }
    assert (found.adjusted_rand, found.background_in_families) == (1.0, 0.0)


def test_nothing_assigned(night):
    found = scores.families(night, assigned(night, given(dict.fromkeys(FOUND))))
    # each request alone: precision 1, recall 5 · 1/5 and 3 · 1/3 of 8
    assert (found.overall.precision, found.overall.recall) == (1.0, 2 / 8)
    assert (found.overall.f1, found.predicted_families, found.predicted_per_true_median) == (0.4, 0, 0.0)


def test_campaigns(night):
    found = scores.campaigns(
        night, assigned(night, given(FOUND)), flags("family_id", x=(0.9, True), v=(0.5, True), z=(0.2, False))
    )
    # x holds t1-t4 and b2, v the honest two
    assert found.precision == pytest.approx(4 / 7)
    assert found.recall == pytest.approx(4 / 8)
    assert (found.flagged_background, found.flagged_benign_template, found.flagged_families) == (1, 2, 2)
    # ranked x + v - z + (its weak request does not count), y + without a score last: 1/1, 2/3, 3/4
    assert (found.families, found.campaign_families) == (4, 3)
    assert found.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert found.campaigns_found_half == 1
    assert {kind: share.flagged for kind, share in found.benign_flagged_by_kind.items()} == {"judge": 1.0}
    assert found.recall_by_evasion["nonce"].flagged == 0


def test_flags_on_unknown_families(night):
    with pytest.raises(Mismatch, match="1 others found"):
        scores.campaigns(night, assigned(night, given(FOUND)), flags("family_id", q=(0.9, True)))


@pytest.fixture
def week(tmp_path):
    """T and U on day 1; on day 2 three requests of T, one of U, one of the new N, and four of background."""
    return truth_of(
        tmp_path,
        *(request(f"t{i}", "T") for i in (1, 2)),
        *(request(f"u{i}", "U") for i in (1, 2)),
        request("b0"),
        *(request(f"t{i}", "T", day="day2", evasion="case" if i == 3 else "none") for i in (3, 4, 5)),
        request("u3", "U", day="day2"),
        request("n1", "N", day="day2"),
        *(request(f"b{i}", day="day2") for i in range(1, 5)),
        request("h1", "judge", "benign_template", day="day2"),
    )


def test_lookup(week):
    stored = assigned(week.on("day1"), given({"t1": "x", "t2": "x", "u1": "y", "u2": None, "b0": None}))
    rows = [
        ("t3", None, "x", 0.55),
        ("t4", "x", None, 0.9),
        ("t5", "y", "y", 0.95),
        ("u3", "y", "y", 0.7),
        ("n1", "x", "x", 0.8),
        ("b1", "x", "x", 0.6),
        *((f"b{i}", None, None, None) for i in (2, 3, 4)),
        ("h1", "other", "other", 0.99),
    ]
    matches = pa.Table.from_pylist(
        [dict(zip(MATCHES, row, strict=True)) for row in rows], schema=pa.schema(MATCHES)
    )
    found = scores.lookup(week, "day1", stored, matches)
    assert (found.known_templates, found.known_templates_stored) == (2, 1.0)
    assert found.family_ids_not_in_assignments == 1
    # own thresholds: t4 and u3 right of four, t5 wrong, t3 not matched
    assert (found.overall.requests, found.overall.tpr_own_threshold, found.overall.wrong_family) == (
        4,
        0.5,
        0.25,
    )
    assert (found.fpr_background, found.fpr_benign_template, found.fpr_new_campaigns) == (0.25, 0.0, 1.0)
    # a thousandth of four allows none: above b1's 0.6; the match to `other` stands for no campaign
    assert found.thresholds["background@0.001"] == np.nextafter(0.6, 1)
    assert found.thresholds["background+benign@0.001"] == np.nextafter(0.6, 1)
    assert found.overall.tpr["background@0.001"] == 0.5
    assert asdict(found.by_evasion["case"])["tpr"]["background@0.001"] == 0


def test_lookup_without_a_request(week):
    stored = assigned(week.on("day1"), given(dict.fromkeys(("t1", "t2", "u1", "u2", "b0"), "x")))
    empty = pa.Table.from_pylist([], schema=pa.schema(MATCHES))
    with pytest.raises(Mismatch, match="results for 10 requests expected, 0 found"):
        scores.lookup(week, "day1", stored, empty)


def test_accounts(tmp_path):
    truth = truth_of(
        tmp_path,
        *(request(f"p{i}", "T" if i == 0 else None, account_id="mixed") for i in range(10)),
        *(request(f"q{i}", "T", account_id="pure") for i in range(3)),
        request("w", "W", weak=True, account_id="only weak"),
        request("b", account_id="honest"),
        request("c", account_id="unrated"),
    )
    rows = {"mixed": (0.7, True), "pure": (0.4, False), "honest": (0.5, True), "only weak": (0.9, True)}
    found = scores.accounts(truth, flags("account_id", **rows))
    assert (found.accounts, found.positive, found.precision, found.recall) == (4, 2, 0.5, 0.5)
    # no false positive is allowed of two honest accounts: above 0.5
    assert (found.false_positive_rate, found.recall_at_rate) == (0.5, 0.5)
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert asdict(found.by_mixing["0.075-0.175"]) == {"accounts": 1, "recall": 1.0, "recall_at_rate": 1.0}
    assert asdict(found.by_mixing[">0.75"]) == {"accounts": 1, "recall": 0.0, "recall_at_rate": 0.0}
    assert found.by_campaign_requests["1"].accounts == found.by_campaign_requests["2-3"].accounts == 1
    assert math.isnan(found.by_campaign_requests["4-9"].recall)


def test_continuity(tmp_path):
    rows = [
        request(f"{family}{day}{i}", family, day=day)
        for family in ("kept", "moved", "gone", "rare")
        for day in ("day1", "day2")
        for i in range(5 if family != "rare" else 4)
    ]
    ids = {"keptday1": "k", "keptday2": "k", "movedday1": "m", "movedday2": "n", "goneday1": "g"}
    truth = truth_of(tmp_path, *rows)
    found = scores.continuity(
        truth,
        assigned(truth, given({r["request_id"]: ids.get(r["request_id"][:-1]) for r in rows})),
        "day1",
        "day2",
    )
    assert (found.templates_on_both_days, found.same, found.switched, found.lost) == (3, 1, 1, 1)
    assert found.share_same == pytest.approx(1 / 3)
    assert asdict(found.by_family["moved"]) == {"before": "m", "after": "n", "state": "switched"}


def test_measures():
    assert average_precision(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False])) == pytest.approx(
        5 / 6
    )
    assert average_precision(np.ones(4), np.array([True, False, False, False])) == 0.25
    assert threshold(np.array([0.1, 0.9, 0.5]), 10, 0.1) == np.nextafter(0.5, 1)
    assert threshold(np.array([0.9]), 10, 0.1) == -math.inf
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([5, 5, 5, 5])) == 0
    # group 0: a tie goes to the lower number; 1: to the value, not to null; 2: mostly null; 3: empty
    group, value = np.array([0, 0, 1, 1, 2, 2, 2, -1]), np.array([4, 3, 7, -1, 1, -1, -1, 9])
    assert majority(group, value, 4).tolist() == [3, 7, -1, -1, -1]
    assert Names.encode(pa.array(["b", None, "a", "b"])).names == ("a", "b")
    assert Names.encode(pa.array(["b", None, "a", "b"])).of.tolist() == [1, -1, 0, 1]


def test_reading_lines_and_csv(tmp_path):
    lines = (
        '{"request_id": "1", "family_id": "f", "strength": 1}\n{"request_id": "2\u2028", "family_id": null}\n'
    )
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.csv").write_text("request_id,family_id\n1,f\n2,\n")
    assert read(tmp_path / "a.jsonl", ASSIGNMENTS)["request_id"].to_pylist() == ["1", "2\u2028"]
    assert read(tmp_path / "a.csv", MATCHES).to_pylist()[1] == dict.fromkeys(MATCHES) | {"request_id": "2"}


def test_repeated_requests_are_refused(night):
    twice = pa.concat_tables([given(FOUND), given({"t1": "x"})])
    with pytest.raises(Mismatch, match="each request_id once"):
        assigned(night, twice)


def test_bars():
    assert Bar("", 0.9, 0.9, 0.91).reached(0.9)
    assert Bar("", 0.0, None, 0.0, most=True).reached(0.0)
    assert Bar("", math.nan, 0.5, None).reached(0.5) is None
