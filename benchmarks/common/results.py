"""Committed results, benchmarks/results/*.json, as Markdown: what the sections of docs/results.md are written with."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.common.machine import RESULTS

Run = dict[str, Any]
Figure = Callable[[Run], str]

WIDTH = 120
"""Of a line of text; tables and code are as wide as they are."""

_SPACE = "\x00"


def read(name: str) -> Run:
    """Read results/<name>.json."""
    run: Run = json.loads((RESULTS / f"{name}.json").read_text())
    return run


def was_measured(name: str) -> bool:
    """Tell whether results/<name>.json is there; what was never measured has no words on the page."""
    return (RESULTS / f"{name}.json").exists()


def section(title: str, *parts: str) -> str:
    """Write a section: its title, then paragraphs, tables and subsections."""
    return "\n".join([f"## {title}\n", *parts])


def paragraph(text: str) -> str:
    """Wrap a text and end its last line; `section` sets an empty line after it."""
    return _wrapped(text) + "\n"


def points(*texts: str) -> str:
    """Write texts as a list."""
    return "".join(_wrapped(text, "- ", "  ") + "\n" for text in texts)


def _wrapped(text: str, first: str = "", others: str = "") -> str:
    """Break a text into lines of at most WIDTH characters, but not within `code`."""
    whole = re.sub("`[^`]+`", lambda code: code[0].replace(" ", _SPACE), " ".join(text.split()))
    lines = textwrap.fill(
        whole,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(_SPACE, " ")


def table(head: Sequence[str], rows: Sequence[Sequence[object]], *, names: int = 1) -> str:
    """Write rows under a head; the first `names` columns are names, to the left, the others figures, to the right."""
    lines = [head, [*["---"] * names, *["--:"] * (len(head) - names)], *rows]
    return "".join(
        f"| {' | '.join('' if value is None else str(value) for value in line)} |\n" for line in lines
    )


def number(value: float | None) -> str:
    """Write a share to three places, or to four where it is small; – where there is none."""
    return "–" if value is None else f"{value:.4f}" if 0 < value < 0.01 else f"{value:.3f}"


def percent(share: float, places: int = 0) -> str:
    """Write a share as a percentage."""
    return f"{100 * share:.{places}f} %"


def each(what: str, *path: str) -> Figure:
    """Take a figure of every day: first / second / third."""
    return lambda run: " / ".join(number(at(scores, path)) for scores in run[what].values())


def last(what: str, *path: str) -> Figure:
    """Take a figure over all days."""
    return lambda run: number(at(list(run[what].values())[-1], path)) if run[what] else ""


def at(value: Any, path: Sequence[str]) -> Any:
    """Follow keys into nested objects; None where one is missing."""
    for key in path:
        value = value.get(key) if value is not None else None
    return value
