"""What fills the slots of a template: how many different texts, how long, and of what kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow.compute as pc

from fingerprint.base.strings import gather, strings
from fingerprint.base.types import Bools, Bytes, Doubles, IntArray
from fingerprint.domain.signature import Slot, SlotKind

_MASKED = re.compile("⟨([a-z]+)⟩")
_NUMBERS = ("number", "date", "time", "timestamp")
_BETWEEN = "\uf8ff"  # private-use characters never survive in a text
_SYNTAX = np.isin(np.arange(256), np.frombuffer(b"{}()[];=<>_\\|&$#@/*+", dtype=np.uint8))
_DIGIT = np.isin(np.arange(256), np.frombuffer(b"0123456789.,:%-+ ", dtype=np.uint8))
_CUT = 0xFF  # a byte that UTF-8 never uses


def slot(data: Bytes, begins: IntArray, ends: IntArray, unmask: Callable[[str], str]) -> Slot | None:
    """Describe the slot that these parts (m,) of some bytes fill; None for fewer than two."""
    if len(begins) < 2:
        return None
    values = strings(*gather(data, begins, ends))
    lengths = pc.utf8_length(values).to_numpy()
    kind = slot_kind(unmask(_BETWEEN.join(values.to_pylist())).split(_BETWEEN))
    return Slot(pc.count_distinct(values).as_py(), int(lengths.min()), int(lengths.max()), kind)


def slot_kind(values: Sequence[str]) -> SlotKind:
    """Tell what fills a slot: numbers, code, text that is mostly not in Latin letters ("language"), or text."""
    plain = _MASKED.sub(lambda m: "0" if m[1] in _NUMBERS else m[1], _BETWEEN.join(values))
    data = np.frombuffer(
        (plain + _BETWEEN).encode().replace(_BETWEEN.encode(), bytes([_CUT])), dtype=np.uint8
    )
    ends = np.flatnonzero(data == _CUT)
    size = np.diff(np.concatenate([[-1], ends])) - 1

    def share(of: Bools) -> Doubles:
        matching = np.diff(np.concatenate([[0], np.cumsum(of & (data != _CUT))[ends]]))
        return np.asarray(matching / np.maximum(size, 1))

    number = share(_DIGIT[data]) > 0.8
    language = ~number & (share(data >= 0x80) > 0.4)
    code = ~number & ~language & (share(_SYNTAX[data]) > 0.05)
    counts = {"number": number.sum(), "code": code.sum(), "language": language.sum()}
    kinds: dict[SlotKind, int] = {"text": len(size) - int(sum(counts.values()))}
    kinds |= {kind: int(count) for kind, count in counts.items()}  # type: ignore[misc]
    return max(kinds, key=lambda kind: kinds[kind])
