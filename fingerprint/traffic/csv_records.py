"""The records of CSV, in which a quote that is never closed spoils one record and not the file.

Inside quotes a line break is text, so one stray quote would make one cell of all lines up to the next quote, or up to the
end. A record of several lines must therefore be as RFC 4180 has it; where it is not, its first line is bad, and reading
goes on with the second. A record of one line may be looser, as Python's csv module reads it.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain

from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.sources import ByteStream, cut_lines

# marks a physical line over the limit; no decoder makes this code point
TOO_LONG = "\ud800"

_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')


class _Lines:
    """The lines of a text, those of the record in work once more after `again`."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._waiting: deque[str] = deque()
        self.record: list[str] = []
        self.size = 0
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """Return the next line, which becomes part of the record in work."""
        line = self._waiting.popleft() if self._waiting else next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.record.append(line)
        self.size += len(line)
        return line

    def begin(self) -> None:
        """Begin a record."""
        self.record, self.size, self.ended = [], 0, False

    def again(self) -> None:
        """Let all lines but the first of the record in work come once more."""
        self._waiting.extendleft(reversed(self.record[1:]))


def csv_records(blocks: ByteStream, limit: int) -> Iterator[list[str] | BadRow]:
    """Yield the records that are not blank, a BadRow for one that is no CSV; the first line tells the delimiter.

    limit: bytes of a line, and characters of a cell. The cell TOO_LONG stands for a line over it.
    """
    csv.field_size_limit(limit)
    text = _text_lines(blocks, limit)
    header = next(text, "")
    delimiter = delimiter_of(header)
    lines = _Lines(chain([header] if header else [], text))
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    while True:
        lines.begin()
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if len(lines.record) > 1:
                lines.again()
                yield _unclosed()
            else:
                yield _loose(lines.record[0], error, delimiter)
            reader = csv.reader(lines, strict=True, delimiter=delimiter)
            continue
        if record:
            yield record


def delimiter_of(header: str) -> str:
    """Return what stands between the names of a header: of a comma, a semicolon, a tab and a bar the one most often there."""
    bare = _QUOTED.sub("", header)
    return max(_DELIMITERS, key=bare.count)


def _loose(line: str, error: csv.Error, delimiter: str) -> list[str] | BadRow:
    """Read a record of one line that is not as RFC 4180 has it."""
    if "field larger" in str(error):
        return BadRow("too_long", f"not CSV: {error}")
    if "unexpected end" in str(error):
        return _unclosed()
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as still:
        return BadRow("wrong_columns", f"not CSV: {still}")


def _unclosed() -> BadRow:
    return BadRow("wrong_columns", "not CSV: a quote begins here that none ends")


def _text_lines(blocks: ByteStream, limit: int) -> Iterator[str]:
    for lines in cut_lines(blocks, limit):
        for number in range(len(lines)):
            line = lines[number]
            yield TOO_LONG if line is None else line.decode(errors="surrogateescape") + "\n"
