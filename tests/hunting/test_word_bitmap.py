"""Where words and signs are, and where none is sure, told 64 bytes at a time as byte by byte."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from fingerprint.hunting import ascii_alphabet
from fingerprint.hunting.ascii_alphabet import alphabet
from fingerprint.hunting.word_bitmap import MAX_PLAIN_DIGITS, bitmap_for, mark_words

TIES = b"._%+-@:/,'"
BYTES = [bytes([c]) for c in b"abYZ0189 \t\n.,:;'-@/_%+!?()\x1d\x1e"]
texts = st.one_of(
    st.lists(st.sampled_from(BYTES), max_size=300).map(b"".join),
    st.lists(
        st.sampled_from([b"word ", b"don't ", b"x" * 70, b"12345", b". ", b"a1", b" "]), max_size=60
    ).map(b"".join),
)


def is_unsure(text: bytes, i: int) -> bool:
    here, rest = text[i : i + 1], text[i + 1 : i + 2]
    if here == b"@" or (here in TIES and rest and not rest.isspace()):
        return True
    before = text[i - 1 : i] if i else b""
    mixed = (here.isalpha() and before.isdigit()) or (here.isdigit() and before.isalpha())
    run = text[max(0, i - MAX_PLAIN_DIGITS) : i + 1]
    return mixed or (len(run) > MAX_PLAIN_DIGITS and run.isdigit())


@given(text=texts, before=st.integers(0, 3), after=st.sampled_from([b"", b"x", b"7 " * 60]))
@example(text=b"x" * 63 + b".", before=1, after=b"y")
def test_marks_are_those_of_single_bytes(text: bytes, before: int, after: bytes) -> None:
    data = np.frombuffer(b"9" * before + text + after, np.uint8)
    bitmap = bitmap_for(len(text))
    count = mark_words(data, before, before + len(text), bitmap)
    found = [
        (m.start() + before, m.end() + before) for m in re.finditer(rb"[A-Za-z0-9]+|[^\sA-Za-z0-9]", text)
    ]
    assert list(zip(bitmap.begins[:count].tolist(), bitmap.ends[:count].tolist(), strict=True)) == found
    bits = np.unpackbits(bitmap.unsure.view(np.uint8), bitorder="little")[: len(text)]
    assert bits.tolist() == [is_unsure(text, i) for i in range(len(text))]


def test_what_a_byte_is_agrees_with_the_table_of_characters() -> None:
    for byte in range(256):
        bitmap, kind = bitmap_for(1), alphabet().kind[byte]
        count = mark_words(np.array([byte], np.uint8), 0, 1, bitmap)
        assert (count < 0) == (kind in (ascii_alphabet.OTHER, ascii_alphabet.MASKED))
        assert (count == 0) == (kind == ascii_alphabet.BLANK)
        assert (count > 0 and bool(bitmap.unsure[0])) == (kind == ascii_alphabet.AT)


def test_other_characters_are_not_for_it() -> None:
    for other in (b"\x00", b"\x7f", b"\x1c", "é".encode()):
        text = b"word " * 20 + other + b" word"
        assert mark_words(np.frombuffer(text, np.uint8), 0, len(text), bitmap_for(len(text))) == -1
