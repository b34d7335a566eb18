"""Where traffic lies: files, directories, object storage and stdin, read as bounded blocks of lines."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO, Literal
from urllib.parse import unquote

import numpy as np
from pyarrow import fs

from fingerprint.base.parallel import prefetch
from fingerprint.base.types import Bools, IntArray
from fingerprint.domain.errors import InputError
from fingerprint.traffic.packing import (
    BLOCK_BYTES,
    ENDINGS,
    PACKED_BYTES,
    CutShort,
    Damaged,
    packing_of,
    unpacked,
)
from fingerprint.traffic.remote import BUFFER_BYTES, FAILURES, RemoteFile, remote_file

FileFormat = Literal["lines", "log", "json", "csv", "parquet"]

# endings of file names; all but Parquet may be packed, which the first bytes tell, whatever the ending
FILE_FORMATS: dict[str, FileFormat] = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}

SERVER_LOG = ".log"
"""The ending of servers' logs, which are read where they are named: in a directory they may be any program's."""

LINE_BYTES = 32 << 20
"""Of a line, with the pictures and files that it holds."""

TEXT_BYTES = 4 << 20
"""Of a request's text, in which these are a line each."""

KERNEL_BLOCK = 2 << 20
"""Bytes of lines that a kernel reads at once: with fewer, what Python does for each block counts (D-393)."""

LARGE_BLOCK = 4 << 20
"""Bytes of a block of lines where reading them takes longer than all that a block costs."""

_BRACKET = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{][ \t\r]*\n")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_BOM = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or stdin when `path` is None; `size` in bytes, None when unknown.

    path: where it lies, of this machine or in `system`, an Arrow filesystem.
    changed: when it was last written, ns since 1970; None when unknown.
    """

    label: str
    path: str | None
    format: FileFormat
    size: int | None
    changed: int | None = None
    system: Any = None

    @property
    def partitions(self) -> dict[str, str]:
        """What the names of folders say of all rows: `account_id=a7/` (Hive's way of partitioning)."""
        pairs = [part.partition("=") for part in PurePosixPath(self.path or "").parts[:-1]]
        said = {name: unquote(value) for name, equals, value in pairs if equals and name}
        return {name: value for name, value in said.items() if value != _NO_VALUE}

    @property
    def identity(self) -> tuple[str, int, int] | None:
        """What a file that was written anew would not share; None where nothing tells."""
        if self.path is None or self.size is None or self.changed is None:
            return None
        return (
            (str(Path(self.path).resolve()) if self.system is None else self.label),
            self.size,
            self.changed,
        )

    def begins_over_lines(self) -> bool:
        """Tell whether the file's first line is a bracket alone, as in JSON that is written for people to read."""
        if self.path is None:
            return False
        try:
            with self.open() as stream:
                return _BRACKET.match(stream.read(64)) is not None
        except FAILURES:
            return False  # whoever reads it says so

    def open(self) -> Any:
        """Open the file for reading bytes; raises one of FAILURES."""
        assert self.path is not None
        if self.system is None:
            return Path(self.path).open("rb")
        return self.system.open_input_stream(self.path, compression=None, buffer_size=BUFFER_BYTES)


def find_sources(names: Sequence[str | Path]) -> list[Source]:
    """List the files behind names: a file, a directory (all files below it, sorted), both by URL too, or "-" for stdin.

    In a directory, hidden files, names that begin with "_" and unknown endings are passed over.
    Raises InputError for a missing name, an unknown ending and a directory without traffic, UsageError for a bad URL.
    """
    sources: list[Source] = []
    for name in names:
        if str(name) == "-":
            sources.append(Source("-", None, "lines", None))
            continue
        place = remote_file(name)
        if isinstance(place, RemoteFile):
            sources.extend(_away(place))
        elif place.is_dir():
            sources.extend(_in_directory(place))
        else:
            sources.append(_file(place))
    return sources


def passed_over(names: Sequence[str | Path]) -> list[str]:
    """List the files in directories behind names that are not read for the ending of their name; hidden ones are not told."""
    found: list[str] = []
    for name in names:
        place = Path(name) if str(name) != "-" else None
        place = None if isinstance(remote_file(name), RemoteFile) else place
        if place is not None and place.is_dir():
            inside = sorted(p for p in place.rglob("*") if p.is_file())
            hidden = {p for p in inside if any(s[0] in "._" for s in p.relative_to(place).parts)}
            found += [str(p.relative_to(place)) for p in inside if format_of(p) is None and p not in hidden]
    return found


def format_of(path: PurePath) -> FileFormat | None:
    """Tell a file's format by the ending of its name; None if it is not one of FORMATS."""
    return FILE_FORMATS.get(_ending_of(path))


def _ending_of(path: PurePath) -> str:
    name = path.name.lower()
    packed = next((e for e in ENDINGS if name.endswith(e)), "")
    return Path(name.removesuffix(packed)).suffix


def _in_directory(folder: Path) -> list[Source]:
    try:
        inside = sorted(p for p in folder.rglob("*") if p.is_file())
    except OSError as error:
        raise InputError(f"{folder}: the directory cannot be read: {error.strerror}") from error
    traffic_files = [p for p in inside if _is_traffic(p, folder)]
    if not traffic_files:
        raise _no_traffic(str(folder), len(inside))
    return [_file(p) for p in traffic_files]


def _is_traffic(path: PurePath, folder: PurePath) -> bool:
    return format_of(path) is not None and not any(s[0] in "._" for s in path.relative_to(folder).parts)


def _no_traffic(folder: str, files: int) -> InputError:
    return InputError(f"{folder}: no traffic in this directory; looked for {_endings()}, found {files} files")


def _file(path: Path) -> Source:
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    label = os.fsencode(path).decode(errors="replace")
    return Source(label, str(path), _known_format(str(path), path), stat.st_size, stat.st_mtime_ns)


def _known_format(label: str, path: PurePath) -> FileFormat:
    kind = format_of(path)
    if kind is None and _ending_of(path) == SERVER_LOG:
        return "log"
    if kind is None:
        raise InputError(f"{label}: {_endings()} expected, '{path.name}' found")
    return kind


def _away(place: RemoteFile) -> list[Source]:
    """List what lies at a place of another filesystem."""
    system = place.system
    try:
        info = system.get_file_info(place.path)
        if info.type == fs.FileType.Directory:
            below = system.get_file_info(fs.FileSelector(place.path, recursive=True))
            inside = sorted((i for i in below if i.is_file), key=lambda i: str(i.path))
        else:
            inside = [info]
    except FAILURES as error:
        raise InputError(f"{place.label}: cannot be read: {error}") from error
    if info.type == fs.FileType.NotFound:
        raise InputError(f"{place.label}: cannot be read: no such file")
    if info.type != fs.FileType.Directory:
        return [_object(place, info)]
    root = PurePosixPath(info.path)
    traffic_files = [i for i in inside if _is_traffic(PurePosixPath(i.path), root)]
    if not traffic_files:
        raise _no_traffic(place.label, len(inside))
    return [_object(place, i) for i in traffic_files]


def _object(place: RemoteFile, info: Any) -> Source:
    inside = str(info.path).removeprefix(place.path).strip("/")
    label = f"{place.label.rstrip('/')}/{inside}" if inside else place.label
    kind = _known_format(label, PurePosixPath(info.path))
    return Source(label, info.path, kind, info.size, info.mtime_ns, place.system)


def _endings() -> str:
    return f"{', '.join(FILE_FORMATS)} (also with {', '.join(ENDINGS)})"


class ByteStream:
    """The bytes of one source in blocks of at most BLOCK_BYTES, unpacked, as UTF-8 without a byte order mark.

    `consumed` counts the bytes taken from disk or pipe, before unpacking.
    Raises InputError when the source cannot be read, for packed data that is damaged or ends too early after
    all that was readable has been handed out.
    """

    def __init__(self, source: Source, stdin: BinaryIO | None = None) -> None:
        self.consumed = 0
        self._source = source
        self._stdin = stdin

    @property
    def is_pipe(self) -> bool:
        """Whether nobody knows when more comes."""
        return self._source.path is None

    def __iter__(self) -> Iterator[bytes]:
        self.consumed = 0
        try:
            if self._source.path is None:
                yield from self._blocks(self._stdin or sys.stdin.buffer)
            else:
                with self._source.open() as stream:
                    yield from self._blocks(stream)
        except FAILURES as error:
            words = getattr(error, "strerror", None) or error
            raise InputError(f"{self._source.label}: cannot be read: {words}") from error
        except Damaged as error:
            raise InputError(
                f"{self._source.label}: damaged {error.kind} data after {self.consumed:,} bytes: {error}"
            ) from error
        except CutShort as error:
            raise InputError(
                f"{self._source.label}: the {error.kind} stream ends in the middle, after {self.consumed:,} bytes; "
                "it was cut short or is still being written"
            ) from error

    def _blocks(self, stream: BinaryIO) -> Iterator[bytes]:
        head = self._read(stream, PACKED_BYTES)
        kind = packing_of(head)
        blocks = self._plain(head, stream)
        if kind is not None:
            blocks = unpacked(kind, head, lambda size: self._read(stream, size))
            # a pipe may be silent for hours, and a thread that waits for it cannot be stopped
            if not self.is_pipe:
                blocks = prefetch(blocks)
        first = next(blocks, b"")
        if first.startswith(_UTF16_MARKS):
            yield from _as_utf8(first, blocks)
            return
        yield first.removeprefix(_BOM)
        yield from blocks

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        block = stream.read(size)
        self.consumed += len(block)
        return block

    def _plain(self, block: bytes, stream: BinaryIO) -> Iterator[bytes]:
        while block:
            yield block
            block = self._read(stream, BLOCK_BYTES)


def _as_utf8(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Write UTF-16 with a byte order mark as UTF-8, what is no character in it as U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    for block in chain([first], blocks):
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", True).encode()


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines (n,) of a text: their bytes, where each begins and ends, and which are too long to be read."""

    data: bytes
    begins: IntArray
    ends: IntArray
    too_long: Bools

    def __len__(self) -> int:
        return len(self.ends)

    def up_to(self, size: int) -> Lines:
        """Return the same lines, of which longer ones are too long."""
        return replace(self, too_long=self.too_long | (self.ends - self.begins > size))

    def first(self, count: int) -> Lines:
        """Return the first lines."""
        return Lines(self.data, self.begins[:count], self.ends[:count], self.too_long[:count])

    def __getitem__(self, number: int) -> bytes | None:
        return None if self.too_long[number] else self.data[self.begins[number] : self.ends[number]]


def lines_of(stream: ByteStream, limit: int, takes_long: Callable[[], bool]) -> Iterator[Lines]:
    """Yield the lines of a stream; takes_long: whether those of the first block took Python's time and not a kernel's.

    The others come in larger blocks, and in the largest, which a thread cuts ahead, if it was Python's.
    """
    size = 0
    lines = cut_lines(_at_least(stream, lambda: size), limit)
    yield from islice(lines, 1)
    if takes_long():
        size = LARGE_BLOCK
        # a pipe may be silent for hours, and a thread that waits for it cannot be stopped
        lines = lines if stream.is_pipe else prefetch(lines)
    elif not stream.is_pipe:
        size = KERNEL_BLOCK
    yield from lines


def _at_least(blocks: Iterable[bytes], size: Callable[[], int]) -> Iterator[bytes]:
    """Join blocks until they have so many bytes."""
    waiting: list[bytes] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= size():
            yield b"".join(waiting) if len(waiting) > 1 else waiting[0]
            waiting = []
    if waiting:
        yield b"".join(waiting)


def cut_lines(blocks: Iterable[bytes], limit: int) -> Iterator[Lines]:
    r"""Cut blocks into lines at \n only (prompts hold U+2028); too long is a line over `limit` bytes."""
    rest = b""
    skipping = False
    for block in blocks:
        data = rest + block if rest else block
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        begins = np.concatenate([[0], ends + 1])
        rest = data[begins[-1] :]
        too_long = ends - begins[:-1] > limit
        if skipping and len(ends):
            too_long[0] = True
            skipping = False
        if len(rest) > limit or skipping:
            skipping = True
            rest = b""
        yield Lines(data, begins[:-1], ends, too_long)
    if skipping or rest:
        yield Lines(rest, np.array([0]), np.array([len(rest)]), np.array([skipping]))
