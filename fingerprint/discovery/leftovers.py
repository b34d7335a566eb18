"""What a home remembers of recent prompts that no family holds, so that a campaign too small for one night is found.

Of each night at most MAX_PROMPTS prompts are kept, those that share most text with prompts of other accounts, for some
days; and of each prompt only the hashes of n-grams that at least two accounts sent. One file a night, in home/unexplained.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.files import replacing
from fingerprint.base.private import private_folder
from fingerprint.base.sparse import ranges
from fingerprint.base.times import DAY_SECONDS
from fingerprint.base.types import Bools, HashArray, Ids, IntArray
from fingerprint.discovery.batch import Batch, behaviour_of, part_of, without_texts
from fingerprint.discovery.discover import Discovery, discover_in
from fingerprint.discovery.families import COVER, Families, cores_over, members_of
from fingerprint.discovery.proof import is_ordinary
from fingerprint.discovery.shared_ngrams import shared_grams, with_grams
from fingerprint.domain.errors import StoreError
from fingerprint.domain.settings import Settings
from fingerprint.evidence.coactivity import WINDOWS_SECONDS, isolated
from fingerprint.text.ngrams import Shingles

MAX_PROMPTS = 2_000
"""Prompts that are remembered of one night (D-092)."""

MIN_SHARED = 8
"""N-grams of a prompt that another account must have sent, or it is not remembered."""

MAX_ALONE_SHARE = 0.2
"""Share of a family's requests that may stand alone in time; of so few over several nights chance brings none together."""

_SCHEMA = pa.schema(
    [
        pa.field("grams", pa.large_list(pa.uint64()), nullable=False),
        pa.field("joined", pa.large_list(pa.bool_()), nullable=False),
        pa.field("account_id", pa.large_list(pa.large_string()), nullable=False),
        pa.field("second", pa.large_list(pa.float64()), nullable=False),
    ]
)
"""Of each prompt the n-grams in their order, which of them the next one continues, and who sent it when."""


def read(folder: Path, *, but: str, end: float, days: int) -> pa.Table:
    """Return what nights but this one left that ended at most so many days before `end` (Unix time); _SCHEMA."""
    kept = [_SCHEMA.empty_table()]
    for path in sorted(folder.glob("*.arrow")):
        night, _, second = path.stem.partition("-")
        if night != but and end - days * DAY_SECONDS <= float(second) <= end:
            kept.append(pa.ipc.open_file(path.read_bytes()).read_all())
    return pa.concat_tables(kept)


def write(folder: Path, night: str, end: float, rows: pa.Table, *, days: int) -> None:
    """Remember a night's prompts in place of what an earlier run of it left, and forget what is older than so many days.

    With 0 days nothing is remembered.
    """
    try:
        private_folder(folder)
        for leftover in folder.glob(".*"):  # of a process that was killed
            leftover.unlink()
        kept = folder / f"{night}-{end:.0f}.arrow"
        if days:
            with replacing(kept) as file, pa.ipc.new_file(file, _SCHEMA) as out:
                out.write_table(rows)
        for path in folder.glob("*.arrow"):
            other, _, second = path.stem.partition("-")
            if not days or (other == night and path != kept) or float(second) < end - days * DAY_SECONDS:
                path.unlink()
    except OSError as error:
        raise StoreError(f"{folder}: prompts in no family cannot be saved: {error}") from error


def forget(folder: Path, accounts: Collection[str]) -> None:
    """Take some accounts out of what nights left; a prompt that nobody else sent goes, too. Raises StoreError."""
    try:
        for path in sorted(folder.glob("*.arrow")):
            rows = pa.ipc.open_file(path.read_bytes()).read_all()
            kept = [_without(row, frozenset(accounts)) for row in rows.to_pylist()]
            with replacing(path) as file, pa.ipc.new_file(file, _SCHEMA) as out:
                out.write_table(pa.Table.from_pylist([r for r in kept if r["account_id"]], schema=_SCHEMA))
    except OSError as error:
        raise StoreError(f"{folder}: prompts in no family cannot be changed: {error}") from error


def _without(row: dict[str, Any], accounts: frozenset[str]) -> dict[str, Any]:
    others = [n for n, account in enumerate(row["account_id"]) if account not in accounts]
    return row | {name: [row[name][n] for n in others] for name in ("account_id", "second")}


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Prompts in no family, tonight's first (`tonight` of them), then the remembered ones.

    prompts: (tonight,) int64, tonight's numbers in the night. batch: who sent all m of them, without texts. shingles:
    their n-grams. shared: (p,) bool, n-grams that two accounts sent. count: (m,) how many of those each prompt has.
    """

    prompts: IntArray
    batch: Batch
    shingles: Shingles
    shared: Bools
    count: IntArray

    @property
    def tonight(self) -> int:
        """How many are tonight's."""
        return len(self.prompts)


def gather(batch: Batch, discovery: Discovery, earlier: pa.Table) -> Leftovers:
    """Put a night's prompts in no family beside those of earlier nights (_SCHEMA)."""
    prompts = np.flatnonzero(discovery.label < 0)
    shingles = _shingles(discovery.shingles.only(prompts), earlier)
    sent = _requests(batch, prompts, earlier)
    grams = shared_grams(shingles, sent.senders(), min_prompts=2, min_accounts=2)
    count = np.bincount(grams.postings.indices, minlength=shingles.prompts)
    return Leftovers(prompts, sent, shingles, grams.ids >= 0, count)


def rememberable(left: Leftovers) -> Leftovers:
    """Return tonight's prompts that share enough text for `to_rows`, alone: the others may be most of a night."""
    kept = np.flatnonzero(left.count[: left.tonight] >= MIN_SHARED)
    places, _ = ranges(left.shingles.offsets, kept)
    return Leftovers(
        left.prompts[kept],
        part_of(left.batch, kept),
        left.shingles.only(kept),
        left.shared[places],
        left.count[kept],
    )


def to_rows(left: Leftovers, label: Ids) -> pa.Table:
    """Return what to remember of tonight (_SCHEMA), of what is `rememberable`; label: (n,) of all its prompts, as they were described."""
    free = np.flatnonzero(label[left.prompts] < 0)
    chosen = np.sort(free[np.argsort(-left.count[free], kind="stable")[:MAX_PROMPTS]])
    shingles, batch = left.shingles, left.batch
    places, ends = ranges(shingles.offsets, chosen)
    kept = left.shared[places]
    # an n-gram continues the one before only where nothing between them was left out
    joined = shingles.joined[places] & np.append(kept[1:], np.False_)
    joined[ends[1:] - 1] = False
    grams = np.append(0, np.cumsum(kept))[ends]
    order = np.argsort(batch.prompt, kind="stable")
    sent = np.searchsorted(batch.prompt[order], np.arange(left.tonight + 1))
    requests, senders = ranges(sent, chosen)
    requests = order[requests]
    columns = (
        (grams, pa.array(shingles.hashes[places[kept]])),
        (grams, pa.array(joined[kept])),
        (senders, batch.accounts.take(pa.array(batch.account[requests])).cast(pa.large_string())),
        (senders, pa.array(batch.second[requests])),
    )
    lists = [pa.LargeListArray.from_arrays(pa.array(begins), values) for begins, values in columns]
    return pa.table(lists, schema=_SCHEMA)


def extend(batch: Batch, discovery: Discovery, left: Leftovers, settings: Settings) -> Discovery:
    """Add to a night's families those that its prompts in no family make together with those of earlier nights.

    A text that tonight's own requests, among all of the night's, show to be ordinary makes none (D-091): remembered
    prompts are those that share most text, and beside them whatever is sent often looks like the work of a few.
    """
    likely = np.flatnonzero(left.count >= MIN_SHARED)
    if left.tonight == left.shingles.prompts or len(likely) < settings.min_requests:
        return discovery
    part = part_of(left.batch, likely)
    more = discover_in(left.shingles.only(likely), part, (), settings, lambda _: None, min_length=2)
    tonight = likely < left.tonight
    own = np.asarray(more.families.members @ tonight.astype(np.float32)).ravel()
    # what is remembered was chosen for the text it shares, so text proves nothing here: its senders must
    sent = (more.families.members @ part.conversations()).tocsr()
    alone = isolated(sent, part.account, part.second, within_seconds=WINDOWS_SECONDS[1])
    together = alone <= MAX_ALONE_SHARE * np.diff(sent.indptr)
    new = np.flatnonzero((own >= 2) & (own < more.families.support) & together)
    tonights = _tonight(more.families.take(new), left.prompts[likely[tonight]], batch)
    new = new[~is_ordinary(tonights, behaviour_of(batch, tonights.members))]
    return with_families(batch, discovery, more, new) if len(new) else discovery


def _tonight(families: Families, prompts: IntArray, batch: Batch) -> Families:
    """Return families of the night's prompts alone, which were numbered first; prompts: their numbers in the batch."""
    own = families.members[:, : len(prompts)].tocsr()
    own.sort_indices()
    members = sparse.csr_matrix(
        (own.data, prompts[own.indices], own.indptr), shape=(len(families), batch.distinct)
    )
    return Families(families.core, members, families.known)


def _shingles(tonight: Shingles, earlier: pa.Table) -> Shingles:
    """Put the n-grams of earlier nights' prompts behind tonight's."""
    grams, joined = (earlier.column(name).combine_chunks() for name in ("grams", "joined"))
    lengths = pc.list_value_length(grams).to_numpy(zero_copy_only=False).astype(np.int64)
    hashes = grams.flatten().to_numpy(zero_copy_only=False)
    return Shingles(
        np.concatenate([tonight.hashes, hashes]),
        np.concatenate([tonight.joined, joined.flatten().to_numpy(zero_copy_only=False)]),
        np.concatenate([tonight.offsets, tonight.offsets[-1] + np.cumsum(lengths)]).astype(np.int64),
    )


def _requests(batch: Batch, prompts: IntArray, earlier: pa.Table) -> Batch:
    """Return the requests of some prompts and of earlier nights' ones, under new numbers, without texts."""
    tonight = part_of(batch, prompts)
    accounts, second = (earlier.column(name).combine_chunks() for name in ("account_id", "second"))
    lengths = pc.list_value_length(accounts).to_numpy(zero_copy_only=False).astype(np.int64)
    names = accounts.flatten()
    every = pa.concat_arrays([batch.accounts.cast(pa.large_string()), names]).unique()
    number = len(prompts) + np.repeat(np.arange(len(lengths)), lengths)
    return without_texts(
        np.concatenate([tonight.account, pc.index_in(names, every).to_numpy(zero_copy_only=False)]),
        every,
        np.concatenate([tonight.second, second.flatten().to_numpy(zero_copy_only=False)]),
        np.concatenate([tonight.prompt, number]),
        prompts=len(prompts) + len(lengths),
    )


def with_families(batch: Batch, discovery: Discovery, more: Discovery, new: IntArray) -> Discovery:
    """Append some families (rows of `more`) to a discovery; they get the prompts in no family that hold their text."""
    core = more.families.core
    grams = [more.shared.hashes[core.indices[core.indptr[f] : core.indptr[f + 1]]] for f in new]
    discovery = knowing(batch, discovery, grams)
    shared, cores = discovery.shared, discovery.families.core
    added = cores_over(shared.hashes, grams)
    label, coverage = discovery.label.copy(), discovery.coverage.copy()
    overlap = (added @ shared.postings).tocsr()
    for row in range(len(new)):
        at = slice(overlap.indptr[row], overlap.indptr[row + 1])
        share = overlap.data[at] / len(grams[row])
        free = (share >= COVER) & (label[overlap.indices[at]] < 0)
        prompts = overlap.indices[at][free]
        label[prompts], coverage[prompts] = len(discovery.families) + row, share[free]
    count = len(discovery.families) + len(new)
    known_as = np.concatenate([discovery.families.known, np.full(len(new), -1, dtype=np.int32)])
    families = Families(sparse.vstack([cores, added], format="csr"), members_of(label, count), known_as)
    act = behaviour_of(batch, families.members)
    return Discovery(discovery.shingles, shared, families, act, label, coverage)


def knowing(batch: Batch, discovery: Discovery, grams: Sequence[HashArray]) -> Discovery:
    """Return the same discovery, among whose shared n-grams are these, too, however few sent them; sorted, of each family."""
    if not grams:
        return discovery
    shared = with_grams(discovery.shared, discovery.shingles, batch.senders(), np.concatenate([*grams]))
    if shared is discovery.shared:
        return discovery
    old = discovery.families.core
    moved = np.searchsorted(shared.hashes, discovery.shared.hashes)[old.indices]
    core = sparse.csr_matrix((old.data, moved, old.indptr), shape=(old.shape[0], len(shared.hashes)))
    return replace(discovery, shared=shared, families=replace(discovery.families, core=core))
