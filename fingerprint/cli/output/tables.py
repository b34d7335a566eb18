"""Tables that fit the terminal, and pages: a heading with named facts below it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Literal, TextIO

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fingerprint.cli.output.terminal import plain

WIDTH = 110
"""Columns of tables and pages that do not go to a terminal."""

MAX_COLUMN = 40
"""A column that is not the last is cut beyond this."""

MIN_LAST_COLUMN = 12
"""The last column is never narrower than this."""

GAP = 2
"""Blanks between columns."""

MIN_PAGE = 40
"""No page is narrower than this."""


class Page:
    """A heading and, below it, facts with their names in a column of their own."""

    def __init__(self, heading: str) -> None:
        self._heading = heading
        self._facts = Table.grid(padding=(0, 2))
        self._facts.add_column(no_wrap=True, style="dim")
        self._facts.add_column(overflow="fold")

    def fact(self, name: str, words: str) -> None:
        """Add a fact."""
        self._facts.add_row(Text(name), Text(plain(words)))

    def list(self, name: str, items: Iterable[tuple[str, str]]) -> None:
        """Add a fact of several lines, each a mark (a number or a time) and its words."""
        lines = Table.grid(padding=(0, 2))
        lines.add_column(justify="right", no_wrap=True)
        lines.add_column(overflow="fold")
        for mark, words in items:
            lines.add_row(Text(plain(mark)), Text(plain(words)))
        if lines.row_count:
            self._facts.add_row(Text(name), lines)

    def print(self, *, error: bool = False) -> None:
        """Print the page on stdout or stderr."""
        put(Text(plain(self._heading), style="bold"), Padding(self._facts, (0, 0, 0, 2)), error=error)


def table(names: Sequence[str], rows: Iterable[Sequence[str | int | None]], empty: str) -> None:
    """Print a table, or the words `empty` when it has no rows.

    A name that begins with > heads a column of numbers, set to the right. Columns without anything in them are left
    out, and the last one is cut to the width that is left.
    """
    cells = [[f"{cell:,}" if isinstance(cell, int) else plain(cell or "") for cell in row] for row in rows]
    if not cells:
        put(Text(empty))
        return
    columns = [[row[i] for row in cells] for i in range(len(names))]
    filled = [i for i, column in enumerate(columns) if any(column)]
    widths = [min(max(map(cell_len, (names[i].lstrip(">"), *columns[i]))), MAX_COLUMN) for i in filled]
    room = _width(sys.stdout) - sum(widths[:-1]) - GAP * (len(filled) - 1)
    widest = max(map(cell_len, (names[filled[-1]].lstrip(">"), *columns[filled[-1]])))
    widths[-1] = min(widest, max(room, MIN_LAST_COLUMN))
    grid = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="bold"
    )
    for i, width in zip(filled, widths, strict=True):
        numbers = names[i].startswith(">")
        justify: Literal["left", "right"] = "right" if numbers else "left"
        grid.add_column(names[i].lstrip(">"), justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in cells:
        grid.add_row(*(Text(row[i]) for i in filled))
    put(grid)


def put(*parts: Text | Table | Padding, error: bool = False) -> None:
    """Print on stdout or stderr, without rich's blanks at the ends of lines; WIDTH columns if not on a terminal."""
    stream = sys.stderr if error else sys.stdout
    console = Console(
        file=stream, markup=False, highlight=False, emoji=False, width=max(_width(stream), MIN_PAGE)
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = captured.get().rstrip("\n").split("\n")
    click.echo("\n".join(line.rstrip() for line in lines), err=error)


def _width(stream: TextIO) -> int:
    """Return the width to print at, in columns: the terminal's, or COLUMNS, or else WIDTH."""
    if "COLUMNS" not in os.environ and not stream.isatty():
        return WIDTH
    return shutil.get_terminal_size().columns
