"""Gives prompts that no family took to the family that their senders send anyway, if they mean what it means.

A rewording that few requests share makes no family of its own. But its account acts together with others in sending
the original, so a lookup's score and threshold decide as they would decide of a request by a known sender.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint import match, meaning
from fingerprint.records import FloatArray, Ids, Signature

Embed = Callable[[pa.Array | pa.ChunkedArray], FloatArray]


def adopted(
    texts: pa.ChunkedArray, signatures: Sequence[Signature], sent: sparse.csr_matrix, embed: Embed
) -> tuple[Ids, FloatArray]:
    """Return for each of l texts the family that it belongs to by meaning (l,), -1 = none, and its score, 0 to 1.

    sent: (l, f) CSR, nonzero where the text's senders send the family, too; only those are asked.
    """
    family, score = np.full(len(texts), -1, dtype=np.int32), np.zeros(len(texts))
    asked = np.flatnonzero(np.diff(sent.indptr))
    rows = [f for f, s in enumerate(signatures) if len(s.prototypes) and s.kind != "topical"]
    if not len(asked) or not rows:
        return family, score.astype(np.float32)
    flat, offsets = meaning.sentences(texts.take(pa.array(asked)))
    spoken = [signatures[f].prototypes for f in rows]
    owners = np.concatenate([[0], np.cumsum([len(p) for p in spoken])]).astype(np.int64)
    held = meaning.held(embed(flat), offsets, np.concatenate(spoken), owners)
    worth = _worth(held, [signatures[f] for f in rows])
    reached = worth >= np.array([signatures[f].threshold for f in rows])
    worth = np.where(reached & (sent[asked][:, rows].toarray() > 0), worth, 0.0)
    best = np.argmax(worth, axis=1)
    top = worth[np.arange(len(asked)), best]
    family[asked] = np.where(top > 0, np.array(rows)[best], -1)
    score[asked] = top
    return family, score.astype(np.float32)


def _worth(held: FloatArray, signatures: Sequence[Signature]) -> npt.NDArray[np.float64]:
    """Score texts by what they hold of each meaning (l, f), as requests of known senders."""
    least, usual = (
        np.array([getattr(s, n) for s in signatures], np.float32) for n in ("similarity", "usual")
    )
    shift = np.array([match.standing(s.seen, s.strays) for s in signatures])
    score = match.score_of_meaning(match.meaning(held, least, usual))
    return match.shifted(score, shift + match.KNOWN_SENDER / match.SCALE)
