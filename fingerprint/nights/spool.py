"""A night too large for memory: its distinct prompts on disk, its conversations as columns of numbers.

Prompts lie in the order they were read, each once, in two Arrow files of compressed batches: `texts.arrow` to match
and, until families are described (D-387), `sent.arrow` as sent. Memory: 44 bytes a conversation, 16 a distinct prompt,
and a piece of batch.py for each worker.

What is done for every text is a function of a module, for an `Engine`: `prepare`, `claims_of`, `fillings_of`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.hash_tables import HashNumbers
from fingerprint.base.types import Bools, HashArray, Ids, IntArray
from fingerprint.discovery.batch import Batch, pieces, prompt_keys
from fingerprint.evidence.request_facts import FactCodes, RequestFacts
from fingerprint.evidence.slot_fillings import MAX_SLOTS, Fillings, fillings
from fingerprint.nights.claims import Claims, CoreTable, core_table, find_claims, find_own, join_claims
from fingerprint.nights.engine import Engine
from fingerprint.nights.spool_files import SpoolFiles, read_rows, read_table
from fingerprint.text.ngrams import shingle, spans
from fingerprint.text.normalise import compose, display, normalise_with_values
from fingerprint.text.tokenise import tokens

Arrays = dict[str, npt.NDArray[Any]]
RowsDone = Callable[[int], None]
"""Called with the number of prompts done so far."""


@dataclass(frozen=True, slots=True)
class Spool:
    """r conversations over n distinct prompts.

    folder: of the two files of texts. batch: a Batch whose texts and tokens are left out.
    key: (n,) uint64, each prompt's hash. size: (n,) int32, bytes of its normalised text.
    pieces: (b + 1,) int64, number of the first prompt in each batch of the files.
    """

    folder: Path
    batch: Batch
    key: HashArray
    size: Ids
    pieces: IntArray

    @property
    def prompts(self) -> int:
        """How many distinct prompts there are."""
        return len(self.key)


class _Codes:
    """Numbers for strings in the order of their first appearance."""

    def __init__(self) -> None:
        self.number: dict[str | None, int] = {}

    def encode(self, column: pa.Array) -> Ids:
        coded = column.dictionary_encode()
        place = [self.number.setdefault(text, len(self.number)) for text in coded.dictionary.to_pylist()]
        if coded.null_count:
            place.append(self.number.setdefault(None, len(self.number)))
            coded = coded.indices.fill_null(len(place) - 1)
        else:
            coded = coded.indices
        return np.asarray(np.array(place, dtype=np.int32)[coded.to_numpy(zero_copy_only=False)])

    def strings(self) -> pa.LargeStringArray:
        return pa.array(list(self.number), pa.large_string())


@dataclass(frozen=True, slots=True)
class SpooledRows:
    """What a worker made of some rows of traffic: texts as sent and normalised, keys (p,) uint64, claims."""

    sent: pa.LargeStringArray
    texts: pa.LargeStringArray
    key: HashArray
    claims: Claims


@dataclass(frozen=True, slots=True)
class SpoolPart:
    """One batch of a spool's texts, of prompts first to end: where it lies, and, if it is carried along, what it holds."""

    path: Path
    number: int
    first: int
    end: int
    carried_texts: pa.LargeStringArray | None = None

    def texts(self) -> pa.LargeStringArray:
        """Return the texts, from the file if they are not carried along."""
        if self.carried_texts is not None:
            return self.carried_texts
        with pa.memory_map(str(self.path)) as file:
            return pa.ipc.open_file(file).get_batch(self.number).column(0)

    def carried(self) -> SpoolPart:
        """Return the same part with its texts, for a worker that does not see the file."""
        return replace(self, carried_texts=self.texts())


def write_spool(
    batches: Iterable[pa.RecordBatch], folder: Path, stored: CoreTable, *, share: float, engine: Engine
) -> Arrays:
    """Read all batches into `folder`, and find the stored families that the distinct prompts hold.

    share: of a core that a prompt must hold. Returns the arrays that `open_spool` and `claims_from_arrays` read.
    Raises StoreError when the disk refuses, and whatever reading raises.
    """
    numbers, accounts, metadata, facts = HashNumbers(), _Codes(), _Codes(), FactCodes()
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    claims: list[Claims] = []
    starts: list[int] = []
    count = 0

    waiting: deque[pa.RecordBatch] = deque()

    def texts() -> Iterator[pa.RecordBatch]:
        for rows in pieces(batches):
            waiting.append(rows)
            yield rows.select(["system", "prompt"])

    with SpoolFiles(folder) as files:
        for piece in engine.in_order(prepare, (stored, share), texts()):
            rows = waiting.popleft()
            prompt, new = numbers.of(piece.key.copy())
            columns["account"].append(accounts.encode(rows.column("account_id")))
            columns["metadata"].append(metadata.encode(rows.column("metadata")))
            columns["fact_code"].append(facts.encode(rows))
            columns["second"].append(rows.column("timestamp").cast(pa.int64()).to_numpy() / 1e6)
            columns["prompt"].append(prompt)
            columns["key"].append(piece.key[new])
            columns["size"].append(_sizes(piece.texts)[new])
            claims.append(_renumber(piece.claims, new))
            starts.append(count)
            count += int(new.sum())
            files.write(piece.texts, piece.sent, pa.array(new))
        files.finish()
        files.write_names(accounts.strings(), metadata.strings(), facts.table())
    arrays = {name: np.concatenate([*parts, np.empty(0, _COLUMNS[name])]) for name, parts in columns.items()}
    arrays["pieces"] = np.array([*starts, count], dtype=np.int64)
    return arrays | claims_to_arrays(join_claims(claims, starts))


_COLUMNS = {
    "account": np.int32,
    "metadata": np.int32,
    "fact_code": np.int32,
    "second": np.float64,
    "prompt": np.int32,
    "key": np.uint64,
    "size": np.int32,
}


def claims_to_arrays(claims: Claims) -> Arrays:
    """Name the columns of claims, as `claims_from_arrays` finds them."""
    return {"claim_prompt": claims.prompt, "claim_family": claims.family, "claim_held": claims.grams}


def claims_from_arrays(arrays: Arrays) -> Claims:
    """Return the claims among these arrays."""
    return Claims(arrays["claim_prompt"], arrays["claim_family"], arrays["claim_held"])


def open_spool(folder: Path, arrays: Arrays) -> Spool:
    """Return the spool that `write_spool` wrote to a folder, given its arrays."""
    names = {name: read_table(folder / f"{name}.arrow").column(0) for name in ("accounts", "metadata")}
    empty = pa.chunked_array([], pa.large_string())
    batch = Batch(
        account=arrays["account"],
        accounts=names["accounts"].combine_chunks(),
        second=arrays["second"],
        prompt=arrays["prompt"],
        texts=empty,
        shown=empty,
        token_hashes=np.empty(0, np.uint64),
        section=np.empty(0, np.uint8),
        offsets=np.zeros(len(arrays["key"]) + 1, np.int64),
        metadata=pa.chunked_array(
            [pa.DictionaryArray.from_arrays(pa.array(arrays["metadata"]), names["metadata"].combine_chunks())]
        ),
        facts=RequestFacts(arrays["fact_code"], read_table(folder / "facts.arrow")),
    )
    return Spool(folder, batch, arrays["key"], arrays["size"], arrays["pieces"])


def claim(
    spool: Spool, cores: CoreTable, prompts: Bools, *, share: float, engine: Engine, on_progress: RowsDone
) -> Claims:
    """Find the families that some prompts hold, reading texts once; prompts: (n,) bool, which ones."""
    claims = []
    items = ((part, np.flatnonzero(prompts[part.first : part.end])) for part in _parts(spool, engine))
    for number, part in enumerate(engine.in_order(claims_of, (cores, share), items), 1):
        claims.append(Claims(part.prompt.copy(), part.family.copy(), part.grams.copy()))
        on_progress(int(spool.pieces[number]))
    return join_claims(claims, spool.pieces[:-1].tolist())


def claims_of(context: tuple[CoreTable, float], item: tuple[SpoolPart, IntArray]) -> Claims:
    """Find the cores of which some texts of a part hold at least a share.

    context: the cores, and the share. item: the part, and the rows in it, (m,) int64. Claims are on prompts of the part.
    """
    (cores, share), (part, rows) = context, item
    if not len(rows):
        return join_claims([], [])
    tokenised = tokens(part.texts().take(pa.array(rows)))
    grams = shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)
    claims = find_claims(cores, grams.hashes, grams.offsets, share=share)
    return Claims(rows[claims.prompt], claims.family, claims.grams)


def fill(
    spool: Spool,
    label: Ids,
    grams: Sequence[HashArray],
    *,
    share: float,
    engine: Engine,
    on_progress: RowsDone,
) -> tuple[Fillings, Claims]:
    """Return what the prompts of families are filled with, and which others they hold `share` of, reading all texts once.

    label: (n,) int32, the row of each prompt's family, -1 = none. grams: the sorted n-grams of each family.
    """
    whole = np.zeros(spool.prompts, dtype=np.uint64)
    slots = np.zeros((spool.prompts, MAX_SLOTS), dtype=np.uint64)

    items = ((part, label[part.first : part.end]) for part in _parts(spool, engine))
    also: list[Claims] = []
    context = core_table(grams), share
    for number, (prompts, part, held) in enumerate(engine.in_order(fillings_of, context, items), 1):
        whole[prompts], slots[prompts] = part.whole, part.slots
        also.append(Claims(held.prompt.copy(), held.family.copy(), held.grams.copy()))
        on_progress(int(spool.pieces[number]))
    return Fillings(whole, slots), join_claims(also, spool.pieces[:-1].tolist())


def fillings_of(
    context: tuple[CoreTable, float], item: tuple[SpoolPart, Ids]
) -> tuple[IntArray, Fillings, Claims]:
    """Return what those texts of a part are filled with that have a label, and which other families they hold.

    First their numbers in the spool, (m,) int64; claims are on prompts of the part.

    context: the n-grams of each family, and the share of them that is enough. item: the part, and the family of each of its
    texts, int32, -1 = none.
    """
    (cores, share), (part, label) = context, item
    rows = np.flatnonzero(label >= 0)
    tokenised = tokens(part.texts().take(pa.array(rows)))
    shingles = shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)
    claims, own = find_own(cores, shingles.hashes, shingles.offsets, label[rows], share=share)
    covered = spans(tokenised.section, tokenised.row_offsets)
    filled = fillings(own, covered, tokenised.hashes, tokenised.row_offsets, label[rows])
    return part.first + rows, filled, Claims(rows[claims.prompt], claims.family, claims.grams)


def texts_of(spool: Spool, prompts: IntArray) -> pa.LargeStringArray:
    """Return the normalised texts (q,) of some prompts, given by ascending numbers (q,) int64."""
    return read_rows(spool.folder / "texts.arrow", spool.pieces, prompts)


def sample(spool: Spool, prompts: IntArray, *, shown: bool = True) -> Batch:
    """Return some distinct prompts, by ascending numbers (q,) int64, with all their conversations as a batch in memory.

    Its accounts are all those of the night, under the same numbers. shown: False leaves out how texts are shown.
    """
    texts = read_rows(spool.folder / "texts.arrow", spool.pieces, prompts)
    as_sent = [read_rows(spool.folder / "sent.arrow", spool.pieces, prompts, display)] if shown else []
    tokenised = tokens(texts)
    rank = np.full(spool.prompts, -1, dtype=np.int32)
    rank[prompts] = np.arange(len(prompts), dtype=np.int32)
    batch = spool.batch
    rows = np.flatnonzero(rank[batch.prompt] >= 0)
    return Batch(
        account=batch.account[rows],
        accounts=batch.accounts,
        second=batch.second[rows],
        prompt=rank[batch.prompt[rows]],
        texts=pa.chunked_array([texts]),
        shown=pa.chunked_array(as_sent, pa.large_string()),
        token_hashes=tokenised.hashes,
        section=tokenised.section,
        offsets=tokenised.row_offsets,
        metadata=batch.metadata.take(pa.array(rows)),
        facts=batch.facts.take(rows),
    )


def warm_up() -> None:
    """Load, or compile, what the first pieces of work need."""
    rows = pa.record_batch([pa.array(["a b c d e"], pa.large_string())] * 2, names=["system", "prompt"])
    prepare((core_table([np.ones(1, dtype=np.uint64)]), 1.0), rows)


def prepare(context: tuple[CoreTable, float], rows: pa.RecordBatch) -> SpooledRows:
    """Normalise the texts of some rows (system, prompt) and find which of the given cores they hold a share of."""
    stored, share = context
    as_sent = compose(rows.column("system"), rows.column("prompt"))
    texts, values = normalise_with_values(as_sent)
    tokenised = tokens(texts)
    claims = join_claims([], [])
    if len(stored.family):
        grams = shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)
        claims = find_claims(stored, grams.hashes, grams.offsets, share=share)
    key = prompt_keys(tokenised, values)
    return SpooledRows(as_sent, texts, key, claims)


def _renumber(claims: Claims, new: Bools) -> Claims:
    """Keep the claims on the new prompts of a piece, (p,) bool, which are numbered anew."""
    rank = np.cumsum(new) - 1
    new_claims = claims.only(new[claims.prompt])
    return Claims(rank[new_claims.prompt], new_claims.family, new_claims.grams)


def _sizes(texts: pa.LargeStringArray) -> Ids:
    return np.asarray(pc.binary_length(texts).to_numpy(zero_copy_only=False), dtype=np.int32)


def _parts(spool: Spool, engine: Engine) -> Iterable[SpoolPart]:
    """Yield the batches of all texts, carried along for workers that do not see the spool."""
    path = spool.folder.resolve() / "texts.arrow"
    parts = (SpoolPart(path, i, a, b) for i, (a, b) in enumerate(pairwise(spool.pieces.tolist())))
    return parts if engine.sees(path) else map(SpoolPart.carried, parts)
