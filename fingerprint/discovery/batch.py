"""One batch of traffic, held as conversations that point at distinct prompts.

Prompts that consist of the same tokens are one prompt, whatever their case, spacing and punctuation; what is masked
in them counts as it stood before, so that prompts which differ in a number or a picture only are two (D-162).
Memory: about 30 bytes a conversation, 12 bytes and an id a request, and, for each distinct prompt, its text twice
(normalised and as shown) and 9 bytes a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint.base.hash_tables import HashNumbers
from fingerprint.base.jit import njit
from fingerprint.base.parallel import in_order
from fingerprint.base.sparse import copied, ends_of
from fingerprint.base.strings import cuts, sizes_of
from fingerprint.base.types import Bools, Bytes, Doubles, HashArray, Ids, IntArray
from fingerprint.evidence.coactivity import Behaviour, Ranks, behaviour
from fingerprint.evidence.request_facts import FactCodes, RequestFacts
from fingerprint.text.normalise import compose, display, normalise_with_values
from fingerprint.text.tokenise import Tokens, tokens

PIECE = 4_096
"""Rows that one thread reads at a time: their tokens and grams stay in the processor's cache, mostly (D-038)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """r conversations of a accounts over n distinct prompts, in the order of their first requests.

    A conversation is one request, or all that a chat's requests send, each turn once; what all stages count as requests
    are these. account: (r,) int32 into accounts (a,). second: (r,) float64, Unix time of the first request.
    prompt: (r,) int32 into the distinct prompts. texts: (n,) normalised; shown: (n,) as a person may see them.
    token_hashes: (t,) uint64 and section: (t,) uint8 of the prompts' tokens; offsets: (n + 1,) where each one's begin.
    metadata: (r,) JSON objects, or null, and facts: what is asked for beside the text, of the first requests.
    """

    account: Ids
    accounts: pa.Array
    second: Doubles
    prompt: Ids
    texts: pa.ChunkedArray
    shown: pa.ChunkedArray
    token_hashes: HashArray
    section: Bytes
    offsets: IntArray
    metadata: pa.ChunkedArray
    facts: RequestFacts

    def __len__(self) -> int:
        return len(self.account)

    @property
    def distinct(self) -> int:
        """How many distinct prompts there are."""
        return len(self.offsets) - 1

    def texts_of(self, prompts: IntArray | Ids) -> pa.ChunkedArray:
        """Return the normalised texts (q,) of some prompts, given by number (q,)."""
        return self.texts.take(pa.array(prompts))

    @property
    def sizes(self) -> IntArray:
        """How many bytes each prompt's normalised text has, (n,)."""
        return sizes_of(self.texts)

    def senders(self) -> sparse.csr_matrix:
        """Return (n, a) CSR of how many conversations of each prompt each account had."""
        ones = np.ones(len(self), dtype=np.float32)
        return sparse.csr_matrix(
            (ones, (self.prompt, self.account)), shape=(self.distinct, len(self.accounts))
        )

    def conversations(self) -> sparse.csr_matrix:
        """Return (n, r) CSR of ones, the conversations of each prompt."""
        ones = np.ones(len(self), dtype=np.float32)
        return sparse.csr_matrix(
            (ones, (self.prompt, np.arange(len(self)))), shape=(self.distinct, len(self))
        )


@dataclass(frozen=True, slots=True)
class Requests:
    """All q requests of a batch's r conversations, in the order they were read.

    request_id: (q,) Arrow strings. conversation: (q,) int32, rows of the batch. second: (q,) float64, Unix time.
    uncounted: (u,) conversations that an earlier night has counted.
    """

    request_id: pa.ChunkedArray
    conversation: Ids
    second: Doubles
    uncounted: Ids = field(default_factory=lambda: np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.conversation)

    @property
    def begins(self) -> Bools:
        """Which requests are the first of conversations that count tonight, (q,)."""
        first = firsts(self.conversation)
        return first & ~np.isin(self.conversation, self.uncounted) if len(self.uncounted) else first


def firsts(conversation: Ids) -> Bools:
    """Return which of q requests are the first of their conversations, which are numbered in the order of these, (q,)."""
    return np.diff(np.maximum.accumulate(conversation), prepend=-1) > 0


def behaviour_of(batch: Batch, members: sparse.csr_matrix, *, ranks: Ranks | None = None) -> Behaviour:
    """Test how the conversations of f families are spread over accounts and time; members: (f, n) CSR, their prompts.

    ranks: of the batch's times, where they are known already.
    """
    rows = (members @ batch.conversations()).tocsr()
    return behaviour(rows, batch.account, batch.second, ranks=ranks)


def part_of(batch: Batch, prompts: IntArray) -> Batch:
    """Return the requests of some prompts, which are numbered anew, without texts."""
    rank = np.full(batch.distinct, -1, dtype=np.int64)
    rank[prompts] = np.arange(len(prompts))
    sent = np.flatnonzero(rank[batch.prompt] >= 0)
    return without_texts(
        batch.account[sent],
        batch.accounts,
        batch.second[sent],
        rank[batch.prompt[sent]],
        prompts=len(prompts),
    )


def without_texts(
    account: npt.NDArray[np.integer],
    accounts: pa.Array,
    second: Doubles,
    prompt: npt.NDArray[np.integer],
    *,
    prompts: int,
) -> Batch:
    """Return a batch of so many prompts of which only is known who sent which when, (r,) each."""
    nothing = pa.chunked_array([], pa.large_string())
    return Batch(
        account=account.astype(np.int32),
        accounts=accounts,
        second=second,
        prompt=prompt.astype(np.int32),
        texts=nothing,
        shown=nothing,
        token_hashes=np.empty(0, dtype=np.uint64),
        section=np.empty(0, dtype=np.uint8),
        offsets=np.zeros(prompts + 1, dtype=np.int64),
        metadata=nothing,
        facts=RequestFacts.none(len(account)),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some rows of traffic: their texts normalised and as shown, the tokens of the first, and a key (p,) of these."""

    rows: pa.RecordBatch
    texts: pa.LargeStringArray
    shown: pa.LargeStringArray
    tokens: Tokens
    key: HashArray

    @classmethod
    def of(cls, rows: pa.RecordBatch) -> _Piece:
        sent = compose(rows.column("system"), rows.column("prompt"))
        texts, values = normalise_with_values(sent)
        tokenised = tokens(texts)
        key = prompt_keys(tokenised, values)
        return cls(rows, texts, display(sent), tokenised, key)


def pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches of rows (system, prompt and any others) into what one thread reads at a time."""
    for batch in batches:
        sizes = sizes_of(batch.column("system")) + sizes_of(batch.column("prompt"))
        for begin, end in cuts(sizes, PIECE):
            yield batch.slice(begin, end - begin)


def collect(batches: Iterable[pa.RecordBatch], *, threads: int = 1) -> Batch:
    """Normalise and tokenise all batches, a conversation a row named as in TRAFFIC_SCHEMA, and keep the text of each distinct prompt once."""
    numbers = HashNumbers()
    columns: dict[str, list[pa.Array]] = {name: [] for name in ("account_id", "timestamp", "metadata")}
    facts, codes = FactCodes(), [np.empty(0, dtype=np.int32)]
    prompts = [np.empty(0, dtype=np.int32)]
    texts: list[pa.Array] = []
    readable: list[pa.Array] = []
    parts: list[tuple[HashArray, Bytes, IntArray]] = []
    for piece in in_order(_Piece.of, pieces(batches), threads=threads):
        codes.append(facts.encode(piece.rows))
        for name, chunks in columns.items():
            chunks.append(piece.rows.column(name))
        prompt, new = numbers.of(piece.key)
        prompts.append(prompt)
        texts.append(piece.texts.filter(pa.array(new)))
        readable.append(piece.shown.filter(pa.array(new)))
        parts.append(_token_rows(piece.tokens, np.flatnonzero(new)))
    with ThreadPoolExecutor(2) as aside:
        texts_joined, readable_joined = (aside.submit(_one_chunk, chunks) for chunks in (texts, readable))
        account = (
            pa.chunked_array(columns["account_id"], pa.large_string()).combine_chunks().dictionary_encode()
        )
        times = pa.chunked_array(columns["timestamp"], pa.timestamp("us", tz="UTC")).cast(pa.int64())
        token_hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(hashes for hashes, *_ in parts)])
        section = np.concatenate([np.empty(0, dtype=np.uint8), *(section for _, section, _ in parts)])
        lengths = np.concatenate([np.empty(0, dtype=np.int64), *(np.diff(ends) for *_, ends in parts)])
    return Batch(
        account=account.indices.to_numpy().astype(np.int32),
        accounts=account.dictionary,
        second=times.to_numpy().astype(np.float64) / 1e6,
        prompt=np.concatenate(prompts),
        texts=texts_joined.result(),
        shown=readable_joined.result(),
        token_hashes=token_hashes,
        section=section,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        metadata=pa.chunked_array(columns["metadata"], pa.large_string()),
        facts=RequestFacts(np.concatenate(codes), facts.table()),
    )


def _one_chunk(parts: list[pa.Array]) -> pa.ChunkedArray:
    """Join the parts and let them go: to take rows from many chunks costs a copy of all of them."""
    joined = pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())
    parts.clear()
    return pa.chunked_array([joined])


def prompt_keys(tokenised: Tokens, values: HashArray) -> HashArray:
    """Return the hash (n,) uint64 that tells each text from others: texts of one hash are one prompt.

    values: (n,) uint64, of what the masks of each text stand for, as `normalise_with_values` returns them.
    """
    return sequence_hash(tokenised.hashes, tokenised.section, tokenised.row_offsets) ^ values


@njit(cache=True, nogil=True)
def sequence_hash(hashes: HashArray, section: Bytes, offsets: IntArray) -> HashArray:
    """Hash each text's tokens, in their order and sections, (n,) uint64.

    hashes: (t,) uint64 and section: (t,) uint8 of the tokens; offsets: (n + 1,) where each text's begin.
    """
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(offsets) - 1):
        mixed = np.uint64(offsets[row + 1] - offsets[row])
        for i in range(offsets[row], offsets[row + 1]):
            mixed = (mixed ^ (hashes[i] + np.uint64(section[i]))) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(32)
        out[row] = mixed
    return out


def _token_rows(tokenised: Tokens, rows: IntArray) -> tuple[HashArray, Bytes, IntArray]:
    """Return the hashes and sections of the tokens of some texts (m,), and where each text's begin, (m + 1,)."""
    offsets = tokenised.row_offsets
    ends = ends_of(offsets, rows)
    return (
        copied(tokenised.hashes, offsets, rows, ends),
        copied(tokenised.section, offsets, rows, ends),
        ends,
    )
