"""Vectors of texts by the words in them, for scripts that a model of English cannot read.

Such a model knows another script by its letters at best, so that all texts in it look alike to it, and who fills a template
with them seems to fill it with one thing. Whether they are one thing their words tell in any language (D-312).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import GOLDEN, mix
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, FloatArray, IntArray
from fingerprint.text.masking import UUID
from fingerprint.text.tokenise import tokens

FOREIGN_SHARE = 0.2
"""Share of a text's bytes beyond ASCII from which on it is in another script than Latin: normalising takes accents off, and
makes Latin letters of many Greek and Cyrillic ones."""

FIRST_BEYOND_ASCII = 0x80

CHARACTER_BYTES = 3
"""In UTF-8, of a character of any script without spaces."""

_MASK = UUID.encode()
"""All masks begin with the first byte of this one, and are as long."""


def in_other_script(texts: pa.LargeStringArray) -> Bools:
    """Tell which normalised texts (n,) are mostly in another script than Latin; masks are in none."""
    data, offsets = buffers(texts)
    masked = len(_MASK) * _counts(data == _MASK[0], offsets)
    foreign = _counts(data >= FIRST_BEYOND_ASCII, offsets) - masked
    written = np.diff(offsets) - _counts(data == ord(" "), offsets) - masked
    return np.asarray((foreign >= FOREIGN_SHARE * written) & (foreign > 0))


def word_vectors(texts: pa.LargeStringArray, width: int) -> FloatArray:
    """Return unit rows (n, width) float32, the sum of a random sign in a random place for each different word; 0 for none.

    The dot product of two rows is about the share of the words that both texts have (feature hashing; Weinberger et al. 2009).
    Where tokens are single characters, as in scripts without spaces, pairs of them stand for words.
    """
    words = tokens(texts)
    row = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(words.row_offsets))
    character = words.ends - words.starts == CHARACTER_BYTES
    pair = character[:-1] & character[1:] & (row[:-1] == row[1:])
    feature = words.hashes.copy()
    feature[:-1][pair] = mix(feature[:-1][pair] ^ mix(words.hashes[1:][pair]))
    keys = np.unique(np.stack([row, feature]), axis=1)
    bits = mix(keys[1] * GOLDEN)
    out = np.zeros((len(texts), width), dtype=np.float32)
    place = (keys[0].astype(np.int64), (bits % np.uint64(width)).astype(np.int64))
    np.add.at(out, place, np.where(bits >> np.uint64(63), 1.0, -1.0))
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _counts(is_one: Bools, offsets: IntArray) -> IntArray:
    """Count the bytes of each text that are marked, (n,)."""
    before = np.concatenate([[0], np.cumsum(is_one)])
    return np.asarray(before[offsets[1:]] - before[offsets[:-1]], dtype=np.int64)
