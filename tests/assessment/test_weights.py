from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.small_traffic import night_rows, written

from fingerprint.assessment.features import PRIOR, SCORE_FEATURES, Feature, base_rate
from fingerprint.assessment.weights import fit_weights, fitted_weights, prior_weights
from fingerprint.casework.actions import Actions
from fingerprint.domain.settings import Home
from fingerprint.domain.signature import Reason, Signature, Spread, Stamp, Template
from fingerprint.jobs.nightly import nightly
from fingerprint.store.store import Store

NAMES = [f.name for f in SCORE_FEATURES]
CAPS = np.array([f.cap for f in SCORE_FEATURES])
PRIOR_WEIGHTS = prior_weights()
NEVER = datetime.fromtimestamp(0, UTC)


def family(label: str | None, **values: float) -> Signature:
    return Signature(
        family_id="f",
        kind="template",
        template=Template(()),
        grams=np.empty(0, dtype=np.uint64),
        weights=np.empty(0, dtype=np.float32),
        prototypes=np.empty((0, 2), dtype=np.float32),
        threshold=0.5,
        spread=Spread(0, 0, NEVER, NEVER, {}),
        stamp=Stamp("1", "4", "static", "0", 2),
        reasons=tuple(Reason(name, value, 0.0, "") for name, value in {PRIOR: 1.0, **values}.items()),
        label=label,
    )


def weight(found: np.ndarray, name: str) -> float:
    return float(found[NAMES.index(name)])


def test_no_labels_leave_the_prior_weights() -> None:
    assert (fitted_weights([]) == PRIOR_WEIGHTS).all()
    assert (fitted_weights([family(None, overlap=8.0), family("unsure", overlap=8.0)]) == PRIOR_WEIGHTS).all()


def test_one_label_moves_the_weights_a_little() -> None:
    moved = fitted_weights([family("benign", overlap=8.0, pool=10.0)])
    assert weight(moved, "overlap") < weight(PRIOR_WEIGHTS, "overlap")
    assert np.abs((moved - PRIOR_WEIGHTS) * CAPS).max() < 1
    untold = [n for n in NAMES if n not in ("overlap", "pool", PRIOR)]
    for name in untold:
        assert weight(moved, name) == pytest.approx(weight(PRIOR_WEIGHTS, name), abs=1e-6)


def test_many_labels_decide() -> None:
    tool = {"overlap": 8.0, "pool": 10.0, "regularity": 0.0}
    job = {"overlap": 8.0, "pool": 10.0, "regularity": 10.0}
    told = fitted_weights([family("benign", **tool)] * 50 + [family("campaign", **job)] * 50)
    assert weight(told, "regularity") > 0.2 > weight(PRIOR_WEIGHTS, "regularity")


def test_what_is_evidence_for_a_campaign_never_speaks_against_one() -> None:
    told = fitted_weights([family("benign", synchrony=12.0)] * 500 + [family("campaign", few=1.0)] * 500)
    assert weight(told, "synchrony") >= 0
    assert weight(told, "few") <= 0


def test_unknown_reasons_are_passed_over() -> None:
    assert np.array_equal(
        fitted_weights([family("benign", overlap=1.0, gone=5.0)]),
        fitted_weights([family("benign", overlap=1.0)]),
    )


def test_a_relay_teaches_nothing() -> None:
    assert (fitted_weights([family("relay", overlap=8.0, balance=5.0)] * 50) == PRIOR_WEIGHTS).all()


@pytest.mark.parametrize("prior", [0.0, 0.7, -0.3])
def test_a_new_feature_that_stored_reasons_lack_has_its_prior_weight_and_leaves_the_others(
    prior: float,
) -> None:
    stored = [family("benign", overlap=8.0, pool=10.0), family("campaign", synchrony=3.0, few=0.5)]
    new = Feature("new", base_rate, "{value}", weight=prior, cap=5.0)
    moved = fitted_weights(stored, (*SCORE_FEATURES, new))
    assert moved[-1] == pytest.approx(prior, abs=1e-6)
    np.testing.assert_allclose(moved[:-1], fitted_weights(stored), atol=1e-4)


def test_labels_improve_the_scores_of_what_was_not_labelled() -> None:
    def losses(seed: int) -> list[float]:
        random = np.random.default_rng(seed)
        truth = PRIOR_WEIGHTS * random.uniform(0, 2, len(NAMES))
        values = random.uniform(0, 1, (900, len(NAMES))) ** 2 * CAPS
        values[:, NAMES.index(PRIOR)] = 1
        campaign = random.uniform(size=900) < 1 / (1 + np.exp(-(values @ truth)))
        side = np.where(campaign, 1, -1)[300:]
        given = (fit_weights(values[:n], campaign[:n]) for n in (0, 30, 300))
        return [float(np.logaddexp(0, -side * (values[300:] @ w)).mean()) for w in given]

    none, few, many = np.mean([losses(seed) for seed in range(12)], axis=0)
    assert none > few > many


@settings(max_examples=30, deadline=None)
@given(
    arrays.arrays(np.float64, (6, len(NAMES)), elements=st.floats(0, 1)),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_any_labels_give_finite_weights_of_the_right_sign_and_always_the_same(
    values: np.ndarray, labels: list[bool]
) -> None:
    found = fit_weights(values * CAPS, np.array(labels))
    assert np.isfinite(found).all()
    assert ((found <= 0) | (PRIOR_WEIGHTS >= 0)).all()
    assert ((found >= 0) | (PRIOR_WEIGHTS < 0)).all()
    assert (found == fit_weights(values * CAPS, np.array(labels))).all()


def test_an_analysts_labels_count_from_the_next_night_on(tmp_path: Path) -> None:
    nights = [written(tmp_path / f"{day}.jsonl", night_rows(day)) for day in (1, 2)]
    scores: dict[str | None, list[float]] = {}
    for label in (None, "benign"):
        home = Home(tmp_path / str(label))
        nightly([nights[0]], home)
        with Store.open(home.path) as store:
            first, second = (s.family_id for s in store.signatures())
            if label:
                Actions(store.database).set_label(first, label, by="ana")
        nightly([nights[1]], home)
        with Store.open(home.path) as store:
            after = [store.signature(name) for name in (first, second)]
        scores[label] = [s.score for s in after]
        assert after[0].flagged == (label is None)
    assert scores["benign"][0] < 0.01
    # the other family looks the same, so one word against the first makes it less likely
    assert 0.5 < scores["benign"][1] < scores[None][1]
