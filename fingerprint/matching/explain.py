"""What of a template a prompt holds: segments, and the values of its slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from fingerprint.domain.results import SegmentHit
from fingerprint.domain.schemas import SECTION_MARK, SYSTEM_END, TURN_END
from fingerprint.text.masking import remask, unmask
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import Tokens, tokens

_TURNS = str.maketrans({SYSTEM_END: "\n", TURN_END: "\n", SECTION_MARK: ""})


def explain(
    text: str, words: Tokens, segments: Sequence[str]
) -> tuple[tuple[SegmentHit, ...], tuple[str, ...]]:
    """How much of each template segment a text holds, and what stands between the segments it holds."""
    # templates are written for people, with their own letters and with the masks written out
    folded = normalise(pa.array(segments, pa.large_string())).to_pylist()
    parts = tokens(pa.array([remask(segment) for segment in folded], pa.large_string()))
    raw = text.encode()
    hits: list[SegmentHit] = []
    slots: list[str] = []
    reached = 0
    for number, segment in enumerate(segments):
        segment_hashes = parts.hashes[parts.row_offsets[number] : parts.row_offsets[number + 1]]
        present = np.isin(segment_hashes, words.hashes)
        hits.append(SegmentHit(segment, round(float(present.mean()), 4) if len(segment_hashes) else 0.0))
        begin = _find_run(words.hashes, segment_hashes)
        if begin < 0:
            continue
        if begin > reached:
            slots.append(_shown(raw[words.starts[reached] : words.ends[begin - 1]]))
        reached = max(reached, begin + len(segment_hashes))
    if reached < len(words.hashes):
        slots.append(_shown(raw[words.starts[reached] : words.ends[-1]]))
    return tuple(hits), tuple(slots)


def _shown(raw: bytes) -> str:
    return unmask(raw.decode()).translate(_TURNS)


def _find_run(hashes: np.ndarray, run: np.ndarray) -> int:
    """Where a run of tokens stands word for word, -1 for nowhere."""
    if not len(run) or len(run) > len(hashes):
        return -1
    at = np.flatnonzero(hashes[: len(hashes) - len(run) + 1] == run[0])
    for i in range(1, len(run)):
        at = at[hashes[at + i] == run[i]]
    return int(at[0]) if len(at) else -1
