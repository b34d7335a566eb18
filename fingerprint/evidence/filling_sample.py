"""A sample of what each family's requests are filled with, as vectors: what they are about, not what they say.

In: which requests each family holds, their texts, and the families' grams. Out: for a bounded number of requests of
each family the embedding of what stands in its slots, and its words where the script is not Latin. No text is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.hashing import GOLDEN, mix
from fingerprint.base.jit import njit
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.sparse import family_of
from fingerprint.base.strings import buffers, cuts, strings
from fingerprint.base.types import (
    Bools,
    Bytes,
    Doubles,
    Embed,
    FloatArray,
    HashArray,
    Ids,
    IntArray,
    TextsOfPrompts,
)
from fingerprint.evidence.shared_runs import of_families, runs_of, share_in_common, wordings
from fingerprint.evidence.word_vectors import in_other_script, word_vectors
from fingerprint.text.licences import in_licences
from fingerprint.text.masking import UUID
from fingerprint.text.ngram_table import PlaceTable, is_member
from fingerprint.text.ngrams import shingle, spans
from fingerprint.text.tokenise import tokens

MAX_REQUESTS = 300
"""Requests of a family that are looked at: what a pool is like shows in fewer (D-128)."""

MAX_REQUESTS_OF_ACCOUNT = 6

MAX_TOKENS = 256
"""Tokens of a filling that are read: its subject stands at the beginning."""

MIN_TOKENS = 3
"""Tokens from which on a filling has a subject."""

CHUNK = 4_096

WORDS_WIDTH = 64
"""Places of word vectors: only how far many of them lie from their mean is looked at."""

UNREAD = -1
"""Length of a filling of which only masks show that it is there, as of a picture or a file."""

MASK_BYTES = UUID.encode()[:2]
"""Bytes with which the characters of masks begin, and nothing else in a normalised text."""


@dataclass(frozen=True, slots=True)
class FillingSample:
    """The fillings of m requests, ordered by family.

    family: (m,) int64. request: (m,) int64, numbers in the batch. length: (m,) int32, tokens of the whole filling, or UNREAD.
    vectors: (m, d) float32 unit rows, zeros for a filling of less than MIN_TOKENS. common: (m,), share of the filling's runs
    that another account's filling has beside the same wording, NaN for no filling (`shared_runs`). words: (m, w) float32 unit
    rows, what fillings in another script than Latin say (`word_vectors`), zeros for others. None: nobody looked.
    """

    family: IntArray
    request: IntArray
    length: Ids
    vectors: FloatArray
    common: Doubles | None = None
    words: FloatArray | None = None

    def only(self, kept: Bools) -> FillingSample:
        """Return those of the fillings that are kept, (m,)."""
        common = None if self.common is None else self.common[kept]
        words = None if self.words is None else self.words[kept]
        return FillingSample(
            self.family[kept], self.request[kept], self.length[kept], self.vectors[kept], common, words
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """What some texts are filled with, by pairs (p,) of a family and a prompt.

    length: (p,), vectors: (p, d), words: (p, w) as of a FillingSample. run, owner: (k,) hashed runs, and the pair of each.
    """

    pair: IntArray
    length: Ids
    run: HashArray
    owner: IntArray
    vectors: FloatArray
    words: FloatArray


def filling_sample(
    rows: sparse.csr_matrix,
    account: Ids,
    prompt: Ids,
    grams: Sequence[HashArray],
    texts: TextsOfPrompts,
    sizes: IntArray | Ids,
    embed: Embed,
) -> FillingSample:
    """Choose requests of each family, take its grams from their texts, and embed what is left.

    rows: (f, r) CSR of ones, the requests of each family. account, prompt: (r,) int32 of each request. grams: sorted, of
    each family; those of all are taken from every text, for a template may stand inside another one's text. texts: gives
    the normalised texts of distinct prompts by their ascending numbers. sizes: (n,) bytes of each.
    """
    shared = np.unique(np.concatenate([*grams, np.empty(0, dtype=np.uint64)]))
    tables = PlaceTable.of(shared), PlaceTable.of(of_families(list(grams)))
    family, request = chosen_requests(rows, account)
    pair, at = np.unique(np.stack([family, prompt[request].astype(np.int64)]), axis=1, return_inverse=True)
    distinct, place = np.unique(pair[1], return_inverse=True)
    length = np.zeros(pair.shape[1], dtype=np.int32)
    vectors: FloatArray | None = None
    words = np.zeros((pair.shape[1], WORDS_WIDTH), dtype=np.float32)
    runs, owners = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    order = np.argsort(place, kind="stable")

    def read(piece: tuple[int, int]) -> _Piece:
        begin, end = piece
        some = order[np.searchsorted(place[order], begin) : np.searchsorted(place[order], end)]
        fillings, count, wording = _fillings(
            _flat(texts(distinct[begin:end])), place[some] - begin, pair[0, some], tables
        )
        run, owner = runs_of(fillings, wording)
        return _Piece(some, count, run, some[owner], embed(fillings), _foreign_words(fillings))

    for piece in in_order(read, cuts(sizes[distinct], CHUNK), threads=workers()):
        some, length[piece.pair] = piece.pair, piece.length
        runs.append(piece.run)
        owners.append(piece.owner)
        if vectors is None:
            vectors = np.zeros((pair.shape[1], piece.vectors.shape[1]), dtype=np.float32)
        vectors[some] = np.where((piece.length >= MIN_TOKENS)[:, None], piece.vectors, 0.0)
        words[some] = piece.words
    every = np.zeros((0, 0), dtype=np.float32) if vectors is None else vectors
    at = at.ravel()
    common = _in_common(np.concatenate(runs), np.concatenate(owners), at, account[request])
    return FillingSample(family, request, length[at], every[at], common, words[at])


def chosen_requests(
    rows: sparse.csr_matrix, account: Ids, most: int = MAX_REQUESTS
) -> tuple[IntArray, IntArray]:
    """Return families and numbers of at most `most` requests of each, at most MAX_REQUESTS_OF_ACCOUNT an account.

    Accounts with several requests come first, in a random order that does not depend on their number: pairs of
    requests of one account are what a comparison with other accounts needs.
    rows: (f, r) CSR, which requests are of each family. account: (r,) int32. Returns two (m,) int64, sorted by family.
    """
    family, request = family_of(rows).astype(np.int64), rows.indices.astype(np.int64)
    sender = account[request].astype(np.int64)
    shuffled = mix(request.astype(np.uint64) * GOLDEN + np.uint64(1))
    order = np.lexsort((shuffled, sender, family))
    family, request, sender = family[order], request[order], sender[order]
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (family[1:] != family[:-1]) | (sender[1:] != sender[:-1])
    group = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    rank = np.arange(len(order)) - first[group]
    alone = np.bincount(group)[group] == 1
    kept = np.flatnonzero(rank < MAX_REQUESTS_OF_ACCOUNT)
    of_account = mix(sender.astype(np.uint64) * GOLDEN + np.uint64(2))
    second = kept[np.lexsort((rank[kept], of_account[kept], alone[kept], family[kept]))]
    begin = np.searchsorted(family[second], family[second])
    chosen = second[np.arange(len(second)) - begin < most]
    return family[chosen], request[chosen]


def _foreign_words(fillings: pa.LargeStringArray) -> FloatArray:
    """Return the words of the fillings (p,) whose script is not Latin, (p, WORDS_WIDTH); 0 for those of others."""
    out = np.zeros((len(fillings), WORDS_WIDTH), dtype=np.float32)
    foreign = in_other_script(fillings)
    out[foreign] = word_vectors(fillings.filter(pa.array(foreign)), WORDS_WIDTH)
    return out


def _in_common(run: HashArray, pair: IntArray, at: IntArray, sender: Ids) -> Doubles:
    """Return the share of its runs that each request (m,) has in common with other accounts.

    run, pair: (k,) of pairs of a family and a prompt. at, sender: (m,) the pair and the account of each request.
    """
    order = np.argsort(pair, kind="stable")
    bounds = np.searchsorted(pair[order], np.arange(int(at.max(initial=-1)) + 2))
    count = np.diff(bounds)[at]
    request = np.repeat(np.arange(len(at)), count)
    first = np.cumsum(count) - count
    taken = order[np.arange(len(request)) + np.repeat(bounds[at] - first, count)]
    return share_in_common(run[taken], request, sender, len(at))


def _flat(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _fillings(
    texts: pa.LargeStringArray, row: IntArray, family: IntArray, tables: tuple[PlaceTable, PlaceTable]
) -> tuple[pa.LargeStringArray, Ids, HashArray]:
    """Return what texts, by their rows (p,), hold beside families' grams and licences, how many tokens it is, and the wording.

    family: (p,) whose template each is filled into. tables: the grams of all families, and what `of_families` returns.
    """
    shared, known = tables
    words = tokens(texts)
    shingles = shingle(words.hashes, words.section, words.row_offsets)
    covered = spans(words.section, words.row_offsets)
    # what a licence says is nobody's filling, as it is nobody's template
    taken = is_member(shingles.hashes, shared) | in_licences(shingles)
    data, offsets = buffers(texts)
    out, out_offsets, count = _beside_grams(
        (data, offsets),
        (words.row_offsets, words.starts, words.ends),
        (taken, covered.first, covered.last, shingles.offsets),
        row,
    )
    return strings(out, out_offsets), count, wordings(shingles, row, family, known)


@njit(cache=True, nogil=True)
def _beside_grams(
    text: tuple[Bytes, IntArray],
    token: tuple[IntArray, Ids, Ids],
    gram: tuple[Bools, IntArray, IntArray, IntArray],
    row: IntArray,
) -> tuple[Bytes, IntArray, Ids]:
    (data, offsets), (token_offsets, starts, ends), (taken, first, last, gram_offsets) = text, token, gram
    room = 0
    for p in range(len(row)):
        room += offsets[row[p] + 1] - offsets[row[p]] + 1
    out = np.empty(room, np.uint8)
    out_offsets = np.zeros(len(row) + 1, np.int64)
    count = np.zeros(len(row), np.int32)
    masked = np.zeros(len(row), np.bool_)
    o = 0
    for p in range(len(row)):
        begin, end = token_offsets[row[p]], token_offsets[row[p] + 1]
        fixed = np.zeros(end - begin, np.bool_)
        for g in range(gram_offsets[row[p]], gram_offsets[row[p] + 1]):
            if taken[g]:
                fixed[first[g] - begin : last[g] - begin] = True
        for i in range(end - begin):
            if fixed[i]:
                at = offsets[row[p]] + starts[begin + i]
                masked[p] |= data[at] == MASK_BYTES[0] and data[at + 1] == MASK_BYTES[1]
                continue
            if count[p] < MAX_TOKENS:
                if count[p] > 0:
                    out[o] = 32
                    o += 1
                for b in range(starts[begin + i], ends[begin + i]):
                    out[o] = data[offsets[row[p]] + b]
                    o += 1
            count[p] += 1
        out_offsets[p + 1] = o
        if count[p] == 0 and masked[p]:
            count[p] = UNREAD
    return out[:o].copy(), out_offsets, count
