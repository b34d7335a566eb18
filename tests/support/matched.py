"""What several test files make alike: ASK, END, family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from fingerprint.domain.signature import Segment, Signature, Slot, Template
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.text.masking import unmask
from fingerprint.text.ngrams import shingle, spans
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens
from support.bare_signatures import signature
from support.crafted import words

ASK = "please act as a senior tax adviser and review what follows"


END = "answer in one short table without any comment of your own"


def family(
    embedder: Embedder, *segments: str, name: str = "f1", place: str = "user", **changes: object
) -> Signature:
    """A family whose prompts hold these segments with something between them."""
    joined = f" {words(np.random.default_rng(0), 3)} ".join(["", *segments, ""])
    texts = normalise(pa.array([joined], pa.large_string()))
    found = tokens(texts)
    grams = shingle(found.hashes, found.section, found.row_offsets)
    covered = spans(found.section, found.row_offsets)
    own = {
        int(h)
        for h, a, b in zip(grams.hashes, covered.first, covered.last, strict=True)
        if any(
            texts[0].as_py()[found.starts[a] : found.ends[b - 1]] in normalise(pa.array([s]))[0].as_py()
            for s in segments
        )
    }
    shown = [unmask(s) for s in normalise(pa.array(segments, pa.large_string())).to_pylist()]
    parts = [p for text in shown for p in (Segment(text, place, 0.0, 1.0), Slot(9, 1, 99, "text"))]  # type: ignore[arg-type]
    made = signature(dict.fromkeys(own, 1.0), name)
    return replace(made, template=Template(tuple(parts)), stamp=stamp_of(embedder), **changes)  # type: ignore[arg-type]
