"""What the requests of a night ask for beside their text, as columns: lengths, temperatures, tools and the like.

Few requests ask for what no other asks for, so a night keeps each different set of facts once, and a number a request.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.hashing import GOLDEN, hash_strings, mix
from fingerprint.base.types import Doubles, HashArray, Ids, IntArray
from fingerprint.domain.schemas import FACT_FIELDS, FACTS, FACTS_SCHEMA

_NOT_STATED = np.uint64(0x9D39247E33776D41)


@dataclass(frozen=True, slots=True, eq=False)
class RequestFacts:
    """The facts of r requests: of a conversation, those of its first one.

    code: (r,) int32, rows of `distinct`, a table of FACTS_SCHEMA with the k different sets of facts.
    """

    code: Ids
    distinct: pa.Table

    @classmethod
    def none(cls, requests: int) -> RequestFacts:
        """Return the facts of requests that state none."""
        nothing = pa.Table.from_pylist([dict.fromkeys(FACTS_SCHEMA.names)], FACTS_SCHEMA)
        return cls(np.zeros(requests, dtype=np.int32), nothing)

    def numbers(self, name: str) -> Doubles:
        """Return a fact that is a number or yes or no (1 or 0), (r,) float64, NaN where a request does not state it."""
        column = pc.cast(self.distinct.column(name).combine_chunks(), pa.float64())
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)[self.code]

    def values(self, name: str) -> Ids:
        """Return any fact, `model` too, as a number that is the same for the same value, (r,) int32, -1 for none."""
        column = self.distinct.column(name).combine_chunks().dictionary_encode()
        numbers = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        return np.asarray(numbers[self.code])

    def take(self, rows: IntArray) -> RequestFacts:
        """Return the facts of some requests."""
        return RequestFacts(self.code[rows], self.distinct)


class FactCodes:
    """Numbers for sets of facts, in the order of their first appearance."""

    def __init__(self) -> None:
        self._number: dict[int, int] = {}
        self._distinct: list[pa.RecordBatch] = []

    def encode(self, rows: pa.RecordBatch) -> Ids:
        """Return the number of each row's facts, (r,) int32; rows of traffic, of which `model` and `facts` are read."""
        facts = _columns(rows)
        keys = _keys(facts)
        unique, first, place = np.unique(keys, return_index=True, return_inverse=True)
        new = [i for i in np.argsort(first).tolist() if int(unique[i]) not in self._number]
        for i in new:
            self._number[int(unique[i])] = len(self._number)
        self._distinct.append(facts.take(pa.array(first[new], pa.int64())))
        number = np.array([self._number[key] for key in unique.tolist()], dtype=np.int32)
        return np.asarray(number[place])

    def table(self) -> pa.Table:
        """Return the facts that the numbers stand for."""
        return pa.Table.from_batches(self._distinct, FACTS_SCHEMA).combine_chunks()


def _columns(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return a row's model and facts as columns; null in all where it has none."""
    facts = rows.column("facts")
    columns = [rows.column("model"), *(pc.struct_field(facts, i) for i in range(FACTS.num_fields))]
    return pa.RecordBatch.from_arrays(columns, schema=FACTS_SCHEMA)


def _keys(facts: pa.RecordBatch) -> HashArray:
    """Hash each row of FACTS_SCHEMA; different ones share a hash with a probability of about n² / 2⁶⁵."""
    models = facts.column("model").dictionary_encode()
    names = pc.if_else(pc.equal(models.dictionary, ""), "\0", models.dictionary)
    hashed = np.append(hash_strings(names), _NOT_STATED)
    keys = hashed[models.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)]
    for name in FACT_FIELDS:
        column = facts.column(name)
        stated = np.asarray(column.is_valid())
        kind = pa.float64() if pa.types.is_floating(column.type) else pa.uint64()
        if pa.types.is_signed_integer(column.type):
            column = column.cast(pa.int64()).view(pa.uint64())
        values = column.cast(kind).fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64)
        keys = mix(keys * GOLDEN + np.where(stated, mix(values), _NOT_STATED))
    return np.asarray(keys)
