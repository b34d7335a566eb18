"""What prompts that are no members say of a template in whatever words: above it, a lookup recognises other wordings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import Bools, Doubles, FloatArray, IntArray
from fingerprint.embedding.languages import FOREIGN
from fingerprint.embedding.static_model import StaticModel
from fingerprint.embedding.word_similarity import Words, said_of
from fingerprint.signatures import calibrate, match_score
from fingerprint.signatures.calibrate import Held

AT_ONCE = 1_024
"""Prompts whose words are read at once."""

MOST_NEAR = 256
"""Others that are compared with a template word by word: those that hold most of its meaning."""


def by_others(
    held: Held, asked: Words, levels: tuple[Doubles, Doubles], model: StaticModel, rate: float
) -> Doubles:
    """Return what at most `rate` of the others say of each of c templates, 1 where there is nobody to compare with.

    held: of c templates with sentences. asked: the words of these. levels: what almost none and what half of the others hold of them,
    (c,) each, as `calibrate.of_meaning` has it. Others are read as a lookup reads them: those that are near to the
    template; the rest say nothing of it.
    """
    out = np.ones(len(held.families))
    if held.others is None or held.others.sentences is None or not len(out):
        return out
    foreign = model.evidence(held.others.sentences.texts) > FOREIGN
    strangers = [held.strangers(c) for c in range(len(out))]
    near = _near(held, strangers, levels, foreign)
    sizes = [len(rows) for rows in near]
    said = _said(held, asked, model, foreign, np.concatenate(near), np.repeat(np.arange(len(out)), sizes))
    for c, own in enumerate(np.split(said, np.cumsum(sizes)[:-1])):
        if len(strangers[c]):
            out[c] = min(max(calibrate.reached(own, len(strangers[c]), rate), match_score.LEAST_SAID), 1.0)
    return out


def _near(
    held: Held, strangers: list[IntArray], levels: tuple[Doubles, Doubles], foreign: Bools
) -> list[IntArray]:
    """Return those of each template's strangers that a lookup would compare with it; foreign (s,): sentences in other languages."""
    assert held.others is not None
    offsets, before = held.others.offsets, np.append(0, np.cumsum(foreign))
    some = before[offsets[1:]] > before[offsets[:-1]]
    gate, foreign_gate = (
        match_score.read_from(levels[0].astype(np.float32), levels[1].astype(np.float32), share)
        for share in (match_score.READ_FROM, match_score.READ_FOREIGN_FROM)
    )
    out = []
    for c, rows in enumerate(strangers):
        similarity = held.similarity[rows, c]
        near = np.flatnonzero(similarity >= np.where(some[rows], foreign_gate[c], gate[c]))
        out.append(np.sort(rows[near[np.argsort(-similarity[near], kind="stable")[:MOST_NEAR]]]))
    return out


def _said(
    held: Held, asked: Words, model: StaticModel, foreign: Bools, row: IntArray, column: IntArray
) -> FloatArray:
    """Compare others (m,) with templates (m,) word by word, (m,) float32."""
    assert held.others is not None
    assert held.others.sentences is not None
    said, ends = held.others.sentences, held.others.offsets
    out, order = np.zeros(len(row), np.float32), np.argsort(row, kind="stable")

    def compare(begin: int) -> None:
        pairs = order[np.searchsorted(row[order], begin) : np.searchsorted(row[order], begin + AT_ONCE)]
        prompts, place = np.unique(row[pairs], return_inverse=True)
        sizes = np.diff(ends)[prompts]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        chosen = np.repeat(ends[prompts] - offsets[:-1], sizes) + np.arange(offsets[-1])
        texts = said.texts.take(pa.array(chosen))
        out[pairs] = said_of(
            model.word_vectors,
            said.embed(texts),
            offsets,
            model.words(texts),
            foreign[chosen],
            held.prototypes,
            held.owners,
            asked,
            place,
            column[pairs],
        )

    for _ in in_order(compare, range(0, len(held.similarity), AT_ONCE), threads=workers()):
        pass
    return out
