"""Conversations that began in an earlier night's traffic and go on in tonight's.

What was sent before is known, and is neither fingerprinted nor counted again. What tonight adds is a prompt as any
other; where it is of no family, the conversation counts for none tonight, and its requests keep the family it had.
Of each night a home keeps hashes of the texts that were sent last (`traffic.earlier_texts`), one file a night, in
home/conversations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.files import replacing
from fingerprint.base.hashing import hash_strings
from fingerprint.base.private import private_folder
from fingerprint.base.strings import sizes_of
from fingerprint.base.times import HOUR_SECONDS
from fingerprint.base.types import FloatArray, Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.domain.errors import StoreError
from fingerprint.nights.checkpoint import Arrays
from fingerprint.nights.turns import only_added, seconds_of
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.text.normalise import compose
from fingerprint.traffic.conversations import Turns
from fingerprint.traffic.earlier_texts import EarlierTexts, SentTexts

_SCHEMA = pa.schema(
    [
        pa.field("account", pa.uint64(), nullable=False),
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("second", pa.float64(), nullable=False),
        pa.field("ways", pa.int32(), nullable=False),
        pa.field("family_id", pa.large_string()),
        pa.field("strength", pa.float32(), nullable=False),
    ]
)
"""Of each text a hash of its account, what SentTexts has, and the family of its conversation."""

_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Continued:
    """Conversations that go on: conversation (k,) int32, ascending, and the family of each before tonight.

    family_id: (k,) large_string, null for none. strength: (k,) float32.
    """

    conversation: Ids
    family_id: pa.LargeStringArray
    strength: FloatArray

    @classmethod
    def none(cls) -> Continued:
        """Return no conversations."""
        return cls(np.empty(0, np.int32), pa.array([], pa.large_string()), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class Given:
    """The families of r conversations, by prompts: the n of the night, then one for each that has an earlier night's family.

    prompt: (r,) int32. label: (n + k,) int32, the row of each prompt's family, -1 for none. strength: (n + k,) float32.
    """

    prompt: Ids
    label: Ids
    strength: FloatArray

    @property
    def family(self) -> Ids:
        """The row of each conversation's family, (r,) int32, -1 for none."""
        return self.label[self.prompt]


def given(batch: Batch, continued: Continued, families: NightFamilies) -> Given:
    """Return what the conversations of a night belong to: one that adds nothing of a family keeps the one it had.

    A family that is gone since is none.
    """
    row_of = pa.array([s.family_id for s in families.signatures], pa.large_string())
    row = pc.index_in(continued.family_id, row_of, skip_nulls=True).fill_null(-1).to_numpy()
    kept = (row >= 0) & (families.label[batch.prompt[continued.conversation]] < 0)
    prompt = batch.prompt.copy()
    prompt[continued.conversation[kept]] = len(families.label) + np.arange(kept.sum(), dtype=np.int32)
    return Given(
        prompt,
        np.concatenate([families.label, row[kept].astype(np.int32)]),
        np.concatenate([families.strength, continued.strength[kept]]),
    )


class GoingOn:
    """Finds, call by call, which of a night's conversations go on from those of earlier nights (`read`)."""

    def __init__(self, earlier: pa.Table, hours: float) -> None:
        self._earlier = earlier.combine_chunks()
        key, second, ways = (self._earlier.column(name).to_numpy() for name in ("key", "second", "ways"))
        self._texts = EarlierTexts(key, second, ways, hours)
        self._accounts = np.unique(self._earlier.column("account").to_numpy())
        self._count = 0
        self._number: list[IntArray] = []
        self._place: list[IntArray] = []

    def without_known(
        self, conversations: Iterable[pa.RecordBatch], first_sizes: Ids
    ) -> Iterator[pa.RecordBatch]:
        """Yield all conversations in their order (`turns.COLUMNS`), those that go on without what was sent before.

        first_sizes: (r,), bytes of prompt that the first request of each sent.
        """
        for rows in conversations:
            yield self._rest(rows, first_sizes[self._count : self._count + len(rows)])
            self._count += len(rows)

    @property
    def continued(self) -> Continued:
        """The conversations so far that go on."""
        if not self._number:
            return Continued.none()
        place = np.concatenate(self._place)
        family = self._earlier.column("family_id").combine_chunks().take(pa.array(place))
        strength = self._earlier.column("strength").to_numpy()[place]
        return Continued(np.concatenate(self._number).astype(np.int32), family, strength)

    def _rest(self, rows: pa.RecordBatch, first_sizes: Ids) -> pa.RecordBatch:
        if not len(self._accounts):
            return rows
        account = hash_strings(rows.column("account_id"))
        likely = np.flatnonzero(np.isin(account, self._accounts))
        if not len(likely):
            return rows
        some = rows.take(pa.array(likely))
        texts = compose(some.column("system"), some.column("prompt"))
        added = sizes_of(some.column("prompt")) - first_sizes[likely]
        first = sizes_of(texts) - added
        place, known = self._texts.follow(account[likely], seconds_of(some), texts, first)
        going_on = place >= 0
        if not going_on.any():
            return rows
        self._number.append(self._count + likely[going_on])
        self._place.append(place[going_on])
        sent = np.zeros(len(rows), np.int64)
        sent[likely] = known
        texts = compose(rows.column("system"), rows.column("prompt"))
        nothing = pa.array([], pa.large_string())
        return only_added(rows, texts, Turns(sent, sent, np.empty(0, np.int64), nothing))


def to_arrays(continued: Continued, sent: SentTexts) -> Arrays:
    """Name the columns of both, as `from_arrays` finds them."""
    return {
        "continued": continued.conversation,
        "continued_family": np.array(continued.family_id.fill_null("").to_pylist(), np.str_),
        "continued_strength": continued.strength,
        **{f"sent_{name}": getattr(sent, name) for name in SentTexts.__slots__},
    }


def from_arrays(arrays: Arrays) -> tuple[Continued, SentTexts]:
    """Return what is among these arrays."""
    family = pa.array([name or None for name in arrays["continued_family"].tolist()], pa.large_string())
    continued = Continued(arrays["continued"], family, arrays["continued_strength"])
    return continued, SentTexts(*(arrays[f"sent_{name}"] for name in SentTexts.__slots__))


def read(folder: Path, *, but: str) -> pa.Table:
    """Return the texts that nights but this one sent last (_SCHEMA)."""
    others = [path for path in sorted(folder.glob("*.arrow")) if path.stem.partition("-")[0] != but]
    tables = (pa.ipc.open_file(path.read_bytes()).read_all() for path in others)
    return pa.concat_tables([_SCHEMA.empty_table(), *tables])


def to_rows(sent: SentTexts, batch: Batch, families: NightFamilies, having: Given) -> pa.Table:
    """Return what to remember of a night (_SCHEMA): the texts it sent last, with the families of their conversations."""
    label = having.family[sent.conversation]
    ids = pa.array([s.family_id for s in families.signatures], pa.large_string())
    account = hash_strings(batch.accounts.cast(pa.large_string()))[batch.account[sent.conversation]]
    strength = having.strength[having.prompt[sent.conversation]].astype(np.float32)
    columns = (sent.key, sent.second, sent.ways)
    family = ids.take(pa.array(label, mask=label < 0))
    return pa.table([pa.array(account), *map(pa.array, columns), family, pa.array(strength)], schema=_SCHEMA)


def write(folder: Path, night: str, begin: float, end: float, rows: pa.Table, *, hours: float) -> None:
    """Remember a night's texts in place of what an earlier run of it left, and forget those of nights that ended earlier.

    begin, end: Unix times of its first and its last request. Nothing goes on in it, nor in later nights, from a night
    that ended more than so many hours before it began. With 0 hours nothing is remembered. Raises StoreError.
    """
    try:
        private_folder(folder)
        for leftover in folder.glob(".*"):  # of a process that was killed
            leftover.unlink()
        kept = folder / f"{night}-{end:.0f}.arrow"
        if hours > 0:
            _write(kept, rows)
        for path in folder.glob("*.arrow"):
            other, _, second = path.stem.partition("-")
            old = float(second) < begin - hours * HOUR_SECONDS
            if hours <= 0 or old or (other == night and path != kept):
                path.unlink()
    except OSError as error:
        raise StoreError(f"{folder}: conversations cannot be saved: {error}") from error


def forget(folder: Path, accounts: Collection[str]) -> None:
    """Take some accounts out of what nights left. Raises StoreError."""
    gone = pa.array(hash_strings(pa.array(list(filter(None, accounts)), pa.large_string())))
    try:
        for path in sorted(folder.glob("*.arrow")):
            rows = pa.ipc.open_file(path.read_bytes()).read_all()
            _write(path, rows.filter(pc.invert(pc.is_in(rows.column("account"), gone))))
    except OSError as error:
        raise StoreError(f"{folder}: conversations cannot be changed: {error}") from error


def _write(path: Path, rows: pa.Table) -> None:
    with replacing(path) as file, pa.ipc.new_file(file, _SCHEMA, options=_PACKED) as out:
        out.write_table(rows)
