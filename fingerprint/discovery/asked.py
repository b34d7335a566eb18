"""What tells a template whose users' turns say enough: these, and not the system prompt that it stands under.

A system prompt is an application's, and everybody who uses the application sends it: that one pool sent it so far only says
that others were not seen yet. Where nearly all requests of a family have text of the family's in a user's turn, too, its system
prompt alone is no request of it (D-348).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Bools, HashArray
from fingerprint.domain.signature import Segment, Signature, Template
from fingerprint.text.licences import own_grams
from fingerprint.text.ngrams import GRAM, shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

ALWAYS = 0.9
"""What this share of the requests hold, nearly all do."""

LEAST = 8
"""N-grams (11 words in a row) of users' turns from which on they say enough by themselves."""


def telling(templates: Sequence[Template]) -> list[tuple[Segment, ...]]:
    """Return the segments that tell each template: those of users' turns where they say enough, else all."""
    standing = [n for n, t in enumerate(templates) if any(s.place == "system" for s in t.segments)]
    always = [[s.text for s in templates[n].segments if _always(s)] for n in standing]
    words = tokens(normalise(pa.array([text for texts in always for text in texts], pa.large_string())))
    grams = np.concatenate([[0], np.cumsum(np.maximum(np.diff(words.row_offsets) - GRAM + 1, 0))])
    enough = np.diff(grams[np.cumsum([0, *map(len, always)])]) >= LEAST
    out = [t.segments for t in templates]
    for n in np.array(standing, np.int64)[enough].tolist():
        out[n] = tuple(s for s in templates[n].segments if s.place != "system")
    return out


def only_in_system_prompts(templates: Sequence[Template], grams: Sequence[HashArray]) -> list[Bools]:
    """Tell which n-grams (g,) of each template stand in no user's turn, if these tell it; none of other templates."""
    out = [np.zeros(len(own), dtype=np.bool_) for own in grams]
    told = telling(templates)
    rows = [n for n, segments in enumerate(told) if len(segments) < len(templates[n].segments)]
    texts = pa.array([segment.text for n in rows for segment in told[n]], pa.large_string())
    words = tokens(normalise(texts))
    shingles = shingle(words.hashes, words.section, words.row_offsets)
    ends = shingles.offsets[np.cumsum([0, *(len(told[n]) for n in rows)])]
    for n, (begin, end) in zip(rows, pairwise(ends.tolist()), strict=True):
        out[n] = ~np.isin(grams[n], shingles.hashes[begin:end])
    return out


def stored_cores(stored: Sequence[Signature]) -> list[HashArray]:
    """Return what requests of stored families hold: n-grams (g,) each, without licences, and system prompts that do not tell them."""
    system = only_in_system_prompts([s.template for s in stored], [s.grams for s in stored])
    return [own_grams(s.grams[~there]) for s, there in zip(stored, system, strict=True)]


def _always(segment: Segment) -> bool:
    return segment.place != "system" and segment.coverage >= ALWAYS
