"""The pieces that a WordPiece tokenizer cuts ASCII words into, found without asking it.

A word is cut greedily: the longest piece of the vocabulary that it starts with, then the longest that goes on, and so
to its end; a word that cannot be cut so, or is too long, is one unknown token (Wu et al. 2016, section 4.1, as in
BERT). The tokenizers library takes some 10 µs for a word, this 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, free_slot
from fingerprint.base.jit import inlined, kernel, njit
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray

_GOES_ON = np.uint64(0x9AE16A3B2F90404F)
"""The offset for pieces that do not begin a word."""

_ROW_BITS = np.uint64(24)
_ROW = np.uint64((1 << 24) - 1)


_FIRST, _LAST = 33, 126  # ASCII that is seen


class WordPieces(NamedTuple):
    """The ASCII pieces of a vocabulary in open addressing, for words of folded texts.

    entries (c,) uint64: the upper 40 bits of a piece's hash and 1 + its number, 0 where free; c is a power of two, and
    the lower bits of the hash say where it stands. unknown: the number for words that cannot be cut. longest: bytes of
    a piece; most: of a word that is cut at all. parts_han: whether words are cut around each Chinese character. told:
    words that tell the language of a text (`languages`); none of them, and one free entry, where nothing asks for it.
    """

    entries: HashArray
    unknown: int
    longest: int
    most: int
    parts_han: bool
    told: HashArray


class WordRules(NamedTuple):
    """How a tokenizer cuts texts into words: at white space, and around each Chinese character if parts_han."""

    parts_han: bool


def word_rules(facts: Mapping[str, Any]) -> WordRules | None:
    """Tell how the tokenizer of a tokenizers file cuts texts before all else; None where not at white space.

    Where it does, words may be learnt one by one.
    """
    kinds = [(facts.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    added = facts.get("added_tokens") or []
    across = any(token["lstrip"] or token["rstrip"] or " " in token["content"] for token in added)
    if kinds != ["BertNormalizer", "BertPreTokenizer", "WordPiece"] or across:
        return None
    return WordRules(bool(facts["normalizer"]["handle_chinese_chars"]))


def read_pieces(facts: Mapping[str, Any]) -> WordPieces | None:
    """Read the pieces of a tokenizers file; None where it cuts ASCII words in another way."""
    rules = word_rules(facts)
    if rules is None:
        return None
    model, normalizer = facts["model"], facts["normalizer"]
    added = [token["content"] for token in facts.get("added_tokens") or []]
    # folded text has no capitals, so none of such tokens
    if not (normalizer["clean_text"] and normalizer["lowercase"]) or any(t == t.lower() for t in added):
        return None
    vocabulary: dict[str, int] = model["vocab"]
    before = model["continuing_subword_prefix"]
    own = {name: number for name, number in vocabulary.items() if name.isascii() and name not in added}
    if not before or model["unk_token"] not in vocabulary or len(vocabulary) >= int(_ROW):
        return None
    size = 1 << (4 * len(own)).bit_length()
    pieces = WordPieces(
        np.zeros(size, np.uint64),
        vocabulary[model["unk_token"]],
        max(map(len, own), default=0),
        model["max_input_chars_per_word"],
        rules.parts_han,
        np.zeros(1, np.uint64),
    )
    # a piece that goes on is written behind a prefix; the prefix alone, and what else it begins, is none
    inner = {name: number for name, number in own.items() if name.startswith(before)}
    first = {name: number for name, number in own.items() if name not in inner}
    inner = {name[len(before) :]: number for name, number in inner.items() if name != before}
    for named, offset in ((first, FNV_OFFSET), (inner, _GOES_ON)):
        spelled = buffers(pa.array(list(named), pa.large_string()))
        _enter(pieces.entries, *spelled, offset, np.array(list(named.values()), np.int64))
    return pieces


@njit(cache=True)
def _enter(entries: HashArray, data: Bytes, ends: IntArray, offset: np.uint64, numbers: IntArray) -> None:
    for n in range(len(numbers)):
        h = offset
        for i in range(ends[n], ends[n + 1]):
            h = (h ^ np.uint64(data[i])) * FNV_PRIME
        entries[free_slot(entries, h)] = (h & ~_ROW) | np.uint64(numbers[n] + 1)


@kernel
def piece(entries: HashArray, h: np.uint64) -> int:
    """Return the number of the piece with this FNV-1a, -1 for none; entries: (c,) uint64 of WordPieces."""
    mask = np.uint64(len(entries) - 1)
    at = h & mask
    entry = entries[at]
    while entry != 0:
        if (entry ^ h) >> _ROW_BITS == 0:
            return int(entry & _ROW) - 1
        at = (at + np.uint64(1)) & mask
        entry = entries[at]
    return -1


@kernel
def cut(pieces: WordPieces, data: Bytes, place: tuple[int, int], out: Ids, o: int) -> int:
    """Write the pieces of the ASCII word at `place`, in any case, into `out` from `o` on; return where they end.

    data: (b,) uint8, of which the word is from place[0] to place[1]. out: int32, with room for the word's bytes.
    """
    begin, end = place
    if end - begin > pieces.most:
        out[o] = pieces.unknown
        return o + 1
    entries = pieces.entries
    i, n, offset = begin, o, FNV_OFFSET
    while i < end:
        h, best, stop = offset, -1, i
        for k in range(i, min(end, i + pieces.longest)):
            byte = data[k]
            h = (h ^ np.uint64(byte | 0x20 if 65 <= byte <= 90 else byte)) * FNV_PRIME
            number = piece(entries, h)
            if number >= 0:
                best, stop = number, k + 1
        if best < 0:
            out[o] = pieces.unknown
            return o + 1
        out[n] = best
        i, n, offset = stop, n + 1, _GOES_ON
    return n


@kernel
def cut_words(pieces: WordPieces, data: Bytes, ends: IntArray, out: Ids, out_ends: IntArray) -> None:
    """Write the pieces of words (k,), which may hold ASCII punctuation, into `out`, and where each one's end (k + 1,).

    ends: (k + 1,). A word with a capital, which may be a token of its own, or with any byte that is not seen ASCII gets
    none: that is the tokenizer's.
    """
    o = out_ends[0]
    for n in range(len(ends) - 1):
        i, end = ends[n], ends[n + 1]
        if _is_plain(data, i, end):
            while i < end:
                last = i
                while last < end and _is_letter_or_digit(data[last]):
                    last += 1
                if last > i:
                    o = cut(pieces, data, (i, last), out, o)
                    i = last
                    continue
                number = piece(pieces.entries, (FNV_OFFSET ^ np.uint64(data[i])) * FNV_PRIME)
                out[o] = number if number >= 0 else pieces.unknown
                i, o = i + 1, o + 1
        out_ends[n + 1] = o


@inlined
def _is_plain(data: Bytes, i: int, end: int) -> bool:
    good = True
    for k in range(i, end):
        good &= bool(_FIRST <= data[k] <= _LAST and not 65 <= data[k] <= 90)
    return bool(good)


@inlined
def _is_letter_or_digit(byte: np.uint8) -> bool:
    return bool(97 <= byte <= 122 or 48 <= byte <= 57)
