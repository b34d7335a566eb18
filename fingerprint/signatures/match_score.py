"""Scores prompts against stored signatures: the n-gram index proposes, coverage and meaning decide.

score = sigmoid((x - MIDDLE) / SCALE + s), where by its grams x = LENGTH · log(1 + b) + SHARE · c, and by its
meaning x = NEAR + BEYOND · m; the better of the two counts.

b: the prompt's grams of the signature, each counting by its rarity; c: their weighted share of all the
signature's grams; m: how far the prompt's share of the template's meaning, word by word where its words are known, lies beyond what almost no non-member
of the night held, in units of what lies between that and what half of them held. So eight rare grams of a long
template count about as much as all of a short one's, and scores of families with long and short templates compare.

s: the family's reliability, RELIABILITY · log((n + 1) / (o + 1) / TYPICAL_ODDS) for n requests of which o strayed from its
pool: the odds, by Bayes' rule and with one request of each kind as the prior, that what holds a template is
another request of those who act together and not of somebody else who uses the same words. It shifts a
family's scores and its threshold alike, so it ranks matches of different families and decides none.

The constants were set on development data (D-064, D-066). A family's threshold is calibrated on the batch's
non-members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import Doubles, FloatArray, IntArray
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import BENIGN, CAMPAIGN, RELAY

LENGTH = 4.0
SHARE = 8.0
NEAR = 4.0
BEYOND = 17.0
MIDDLE = 10.0
SCALE = 2.0

RELIABILITY = 0.5
TYPICAL_ODDS = 100.0
"""Requests in step for one that strays, of a family whose scores are not shifted."""

PREFERRED = 4.0
"""What being a campaign is worth where a prompt holds the text of several families: an excerpt of some
article that others sent too must not hide the injected instruction beside it."""

NARROW = 0.05
"""Least distance between what half and what almost none of the non-members hold of a meaning."""

LEAST_MEANING = 0.25
"""Meaning never counts below this, whatever a night's other prompts hold: too few of them show little."""

LEAST_SAID = 0.3
"""As LEAST_MEANING, of what is said word by word: of any template almost none of a large night's others say less."""

USUALLY_SAID = 0.19
"""What half of the non-members say of a template word by word: 0.17 to 0.22, whatever the template."""

READ_FROM, READ_FOREIGN_FROM = 0.85, 0.25
"""How near a text must be to a template's sentences for its words to be compared, 0 as half of the non-members, 1 as almost none of them;
and a text with a sentence in another language than English, for there cosines are lower (D-313)."""

SURE = 0.9
"""Above this score by grams alone, meaning is not asked."""

KNOWN_SENDER = 2.0
"""What it adds to x that the account sent the family before: honest users of the same words did not (D-051)."""

FLOOR = 0.5
"""No threshold is lower before the shift: what calibration data cannot show is not promised."""


def preference(label: str | None, score: float) -> float:
    """Return the log-odds by which a family of that label and score is preferred: a campaign's most, a relay's next."""
    return PREFERRED * {CAMPAIGN: 1.0, RELAY: 0.5, BENIGN: 0.0}.get(label or "", score)


def rarity(outside: IntArray, prompts: int) -> FloatArray:
    """Weigh grams by how many of the prompts outside the family hold them (g,): 1 for none, 0 for all."""
    top = np.log(prompts + 1.0)
    return np.asarray(1 - np.log(outside + 1.0) / max(top, 1e-9), dtype=np.float32)


def score_of(overlap: FloatArray, total: FloatArray) -> Doubles:
    """Score signatures of which grams of weight `overlap` out of `total` were found, 0 to 1.

    overlap, total: float32 of one shape, or of shapes that NumPy broadcasts; in nats.
    """
    return np.asarray(
        _squash(LENGTH * np.log1p(overlap) + SHARE * overlap / np.maximum(total, 1e-9)), dtype=np.float64
    )


def meaning(similarity: FloatArray, least: FloatArray, typical: FloatArray) -> FloatArray:
    """Return how far prompts that hold `similarity` of a meaning lie beyond `least`, in units of least - typical.

    All are mean cosines, float32 of shapes that NumPy broadcasts. 0 where a prompt holds no more than `least`.
    """
    return np.asarray(
        np.maximum(similarity - least, 0) / np.maximum(least - typical, NARROW), dtype=np.float32
    )


def read_from(similarity: FloatArray, typical: FloatArray, gate: float) -> FloatArray:
    """Return what a text must hold of a meaning for its words to be compared, a mean cosine, (f,) float32.

    similarity, typical: (f,) float32, as of `Signature`. gate: READ_FROM or READ_FOREIGN_FROM.
    """
    return np.asarray(typical + gate * np.maximum(similarity - typical, NARROW), dtype=np.float32)


def score_of_meaning(beyond: FloatArray) -> Doubles:
    """Score prompts by meaning alone, (q,)."""
    return np.asarray(_squash(np.where(beyond > 0, NEAR + BEYOND * beyond.astype(np.float64), -np.inf)))


def reliability(requests: int, unsynchronised: int) -> float:
    """Return the log-odds by which a family's scores are shifted; 0 where nothing is known."""
    return (
        float(RELIABILITY * np.log((requests + 1) / (unsynchronised + 1) / TYPICAL_ODDS)) if requests else 0.0
    )


def shifted(score: Doubles, log_odds: Doubles) -> Doubles:
    """Shift scores, 0 to 1, by log-odds; (q,) float64 each, or of shapes that NumPy broadcasts."""
    return np.asarray(1 / (1 + (1 - score) / np.maximum(score, 1e-300) * np.exp(-log_odds)))


def from_known_sender(score: Doubles) -> Doubles:
    """Raise scores of requests from accounts that sent their family before, (q,)."""
    return shifted(score, np.full(len(score), KNOWN_SENDER / SCALE))


def _squash(x: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp((MIDDLE - x) / SCALE)))


def least_reaching(
    score: Callable[[npt.NDArray[Any]], Doubles], most: npt.NDArray[Any], threshold: Doubles | float
) -> npt.NDArray[Any]:
    """Return the least x in 0 to `most`, (n,), whose score reaches the threshold, by bisection.

    most: (n,) float32 or float64, as x is. score: of such x, (n,); must grow with it. threshold: (n,), or one for all.
    Returns `most` where no smaller x reaches it, else at most most / 2⁴⁰, or a rounding of the dtype, too much.
    """
    low, high = np.zeros_like(most), most.copy()
    half = most.dtype.type(0.5)
    for _ in range(40):
        middle = (low + high) * half
        enough = score(middle) >= threshold
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return high


def base_threshold(signature: Signature) -> float:
    """Return a signature's threshold for scores that its reliability does not shift."""
    step = -reliability(signature.requests_seen, signature.unsynchronised)
    return float(shifted(np.array([signature.threshold]), np.array([step]))[0])
