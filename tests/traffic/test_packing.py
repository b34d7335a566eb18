"""Packed files are read whatever packs them, one stream or several, and what is damaged or cut short is an error."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from support.ingest_rows import lines, read, row

from fingerprint.domain.errors import InputError
from fingerprint.traffic.packing import packing_of, unpacked

Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


PACKS: dict[str, tuple[str, Pack]] = {
    "gz": ("gzip", gzip.compress),
    "bz2": ("bzip2", bz2.compress),
    "xz": ("xz", lzma.compress),
    "zst": ("Zstandard", zstd),
}
NIGHT = lines([row(n) for n in range(3000)])


@pytest.mark.parametrize("ending", PACKS)
def test_a_packed_file_reads_as_the_file(tmp_path: Path, ending: str) -> None:
    kind, pack = PACKS[ending]
    plain, packed = tmp_path / "n.jsonl", tmp_path / f"n.jsonl.{ending}"
    plain.write_bytes(NIGHT)
    half = NIGHT.index(b"\n", len(NIGHT) // 2) + 1
    for data in (pack(NIGHT), pack(NIGHT[:half]) + pack(NIGHT[half:])):
        assert packing_of(data) == kind
        packed.write_bytes(data)
        assert read(packed)[0] == read(plain)[0]
        assert read("-", stdin=io.BytesIO(data))[0] == read(plain)[0]
    named_otherwise = tmp_path / "m.jsonl"
    named_otherwise.write_bytes(pack(NIGHT))
    assert read(named_otherwise)[1].accepted == 3000
    (tmp_path / f"n.csv.{ending}").write_bytes(
        pack(b"request_id,account_id,timestamp,prompt\nr,a,1772409600,x\n")
    )
    assert read(tmp_path / f"n.csv.{ending}")[1].accepted == 1


@pytest.mark.parametrize("ending", PACKS)
def test_what_is_cut_short_or_damaged_is_an_error(tmp_path: Path, ending: str) -> None:
    kind, pack = PACKS[ending]
    path = tmp_path / f"n.jsonl.{ending}"
    data = pack(NIGHT)
    path.write_bytes(data[:-20])
    with pytest.raises(InputError, match=f"the {kind} stream ends in the middle"):
        read(path)
    path.write_bytes(data[:10] + bytes(byte ^ 0xFF for byte in data[10:40]) + data[40:])
    with pytest.raises(InputError, match=f"damaged {kind} data after|the {kind} stream ends in the middle"):
        read(path)


def test_reading_that_fails_is_no_damage() -> None:
    def broken(_: int) -> bytes:
        raise OSError("the disk is gone")

    for _, pack in PACKS.values():
        head = pack(NIGHT)[:64]
        with pytest.raises(OSError, match="the disk is gone"):
            list(unpacked(str(packing_of(head)), head, broken))


def test_zero_bytes_between_streams_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl.bz2"
    path.write_bytes(bz2.compress(NIGHT) + bytes(512))
    assert read(path)[1].accepted == 3000
    assert packing_of(b"{") is None
