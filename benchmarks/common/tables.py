"""Figures as plain text tables."""

from __future__ import annotations

import math
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under a head, the first column to the left, all others to the right."""
    lines = [list(head), *([cell(value) for value in row] for row in rows)]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(line, wide) for line in lines)


def _line(line: Sequence[str], wide: Sequence[int]) -> str:
    first, *others = (
        f"{text:<{w}}" if at == 0 else f"{text:>{w}}"
        for at, (text, w) in enumerate(zip(line, wide, strict=True))
    )
    return "  ".join(["", first, *others]).rstrip()


def cell(value: object) -> str:
    """Write one value: floats to four places, or one from 2 on; - for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 2 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def title(words: str) -> str:
    """Underline a title."""
    return f"\n{words}\n{'─' * len(words)}"
