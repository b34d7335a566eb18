"""The same bytes come out of a source however it is packed and cut, and files are found by their endings."""

from __future__ import annotations

import gzip
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.errors import InputError
from fingerprint.traffic import packing, sources
from fingerprint.traffic.sources import ByteStream, Source, cut_lines, find_sources

STDIN = Source("-", None, "lines", None)


def streamed(data: bytes) -> bytes:
    return b"".join(ByteStream(STDIN, io.BytesIO(data)))


@given(
    text=st.text(max_size=200),
    packed=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_bytes_are_unpacked_and_are_utf8(text: str, packed: bool, encoding: str) -> None:
    # what begins as another encoding or as gzip does is read as that
    text = "." + text.replace("\r", "")
    data = text.encode(encoding)
    assert streamed(gzip.compress(data) if packed else data) == text.encode()


@given(parts=st.lists(st.binary(max_size=30), min_size=1, max_size=4), padding=st.integers(0, 5))
def test_members_of_gzip_follow_each_other(parts: list[bytes], padding: int) -> None:
    whole = b"." + b"".join(parts)
    packed = [gzip.compress(part) for part in (b".", *parts)]
    assert streamed((b"\0" * padding).join(packed) + b"\0" * padding) == whole


def test_large_sources_come_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sources, packing):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1000)
        monkeypatch.setattr(module, "PACKED_BYTES", 100)
    data = bytes(range(48, 123)) * 200
    for name, content in (("a.jsonl", data), ("b.jsonl.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        [source] = find_sources([tmp_path / name])
        stream = ByteStream(source)
        blocks = list(stream)
        assert b"".join(blocks) == data
        assert max(map(len, blocks)) <= 1000
        assert stream.consumed == len(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-9], "ends in the middle"),
        (lambda data: data[:40] + b"\xff" * 20 + data[60:], "damaged gzip data"),
    ],
)
def test_damaged_gzip_is_named_after_what_could_be_read(damage: object, message: str) -> None:
    data = gzip.compress(bytes(range(256)) * 40)
    with pytest.raises(InputError, match=message):
        streamed(damage(data))  # type: ignore[operator]


lines = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=12)


@given(
    texts=lines, cuts=st.lists(st.integers(0, 200), max_size=6), limit=st.integers(1, 12), ends=st.booleans()
)
def test_lines_do_not_depend_on_blocks(texts: list[bytes], cuts: list[int], limit: int, ends: bool) -> None:
    data = b"\n".join(texts) + (b"\n" if ends else b"")
    at = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    blocks = [data[a:b] for a, b in itertools.pairwise(at)]
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    read = [part[n] for part in cut_lines(blocks, limit) for n in range(len(part))]
    assert read == [None if len(line) > limit else line for line in expected]


def test_a_folder_is_read_by_endings_and_in_order(tmp_path: Path) -> None:
    for name in (
        "b/2.JSONL",
        "b/10.csv.gz",
        "a.parquet",
        "c.json",
        ".d.jsonl",
        "_e/f.jsonl",
        "README.md",
        "g.gz",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = find_sources([tmp_path, "-", tmp_path / "c.json"])
    assert [(Path(s.label).name, s.format) for s in found] == [
        ("a.parquet", "parquet"),
        ("10.csv.gz", "csv"),
        ("2.JSONL", "lines"),
        ("c.json", "json"),
        ("-", "lines"),
        ("c.json", "json"),
    ]
    assert [s.size for s in found] == [1, 1, 1, 1, None, 1]


def test_what_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"notes\.txt: \.jsonl, .* expected, 'notes\.txt' found"):
        find_sources([tmp_path / "notes.txt"])
    with pytest.raises(
        InputError, match=r"no traffic in this directory; looked for \.jsonl, .*, found 0 files"
    ):
        find_sources([tmp_path / "empty"])
    with pytest.raises(InputError, match=r"gone\.jsonl: cannot be read: No such file"):
        find_sources([tmp_path / "gone.jsonl"])


def test_a_file_that_was_written_anew_is_another(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1")
    [before] = find_sources([path])
    [again] = find_sources([str(path)])
    path.write_bytes(b"12")
    [after] = find_sources([path])
    assert before.identity == again.identity is not None
    assert before.identity != after.identity
    assert find_sources(["-"])[0].identity is None
