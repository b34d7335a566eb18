"""Labelled traffic: what each request really is, and what a run said of it, as columns of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TRUTH = {
    "request_id": pa.large_string(),
    "account_id": pa.large_string(),
    "day": pa.large_string(),
    "role": pa.large_string(),
    "family": pa.large_string(),
    "campaign": pa.large_string(),
    "evasion": pa.large_string(),
    "weak": pa.bool_(),
    "repeat": pa.large_string(),
}
ASSIGNMENTS = {"request_id": pa.large_string(), "family_id": pa.large_string()}
MATCHES = {**ASSIGNMENTS, "candidate_id": pa.large_string(), "score": pa.float64()}


class Mismatch(ValueError):
    """Truth and results do not speak of the same requests."""


@dataclass(frozen=True, slots=True)
class Names:
    """A nullable column of names. of: (n,) into `names`, which are in alphabetical order; -1 = null."""

    of: Numbers
    names: tuple[str, ...]

    @classmethod
    def encode(cls, values: pa.Array | pa.ChunkedArray) -> Self:
        """Make numbers of a column of names (n,)."""
        whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        encoded = whole.cast(pa.large_string()).dictionary_encode()
        order = pc.sort_indices(encoded.dictionary).to_numpy()
        rank = np.empty(len(order) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(order)), -1
        number = encoded.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)
        return cls(rank[number], tuple(encoded.dictionary.take(pa.array(order)).to_pylist()))

    def only(self, mask: Mask) -> Names:
        """Return some rows, under the same numbers."""
        return Names(self.of[mask], self.names)


@dataclass(frozen=True, slots=True)
class Truth:
    """What n requests really are; `repeat`: a popular prompt, `weak`: of a template with hardly any fixed text."""

    request_id: pa.LargeStringArray
    account: Names
    day: Names
    role: Names
    family: Names
    campaign: Names
    evasion: Names
    weak: Mask
    repeat: Mask

    def __len__(self) -> int:
        return len(self.weak)

    @property
    def days(self) -> tuple[str, ...]:
        """The days that have requests, in order."""
        return tuple(self.day.names[number] for number in np.unique(self.day.of))

    def is_role(self, role: str) -> Mask:
        """Which requests are background, benign_template or campaign (n,)."""
        number = self.role.names.index(role) if role in self.role.names else -2
        return np.asarray(self.role.of == number)

    @property
    def strong(self) -> Mask:
        """Which requests are of campaigns whose templates have text enough to be found (n,)."""
        return self.is_role("campaign") & ~self.weak

    @property
    def scored(self) -> Mask:
        """All requests but those of weak templates (n,)."""
        return ~(self.is_role("campaign") & self.weak)

    def only(self, mask: Mask) -> Truth:
        """Return some requests."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        ids = self.request_id.filter(pa.array(mask))
        kept: dict[str, Any] = {
            n: c.only(mask) if isinstance(c, Names) else c[mask]
            for n, c in columns.items()
            if n != "request_id"
        }
        return Truth(request_id=ids, **kept)

    def on(self, *days: str) -> Truth:
        """Return the requests of some days; raises Mismatch for a day that has none."""
        if missing := set(days) - set(self.days):
            raise Mismatch(f"days {sorted(missing)} expected in the truth, {list(self.days)} found")
        return self.only(np.isin(self.day.of, [self.day.names.index(day) for day in days]))


def read_truth(path: Path) -> Truth:
    """Read a truth file (.jsonl, .csv, either gzipped, or .parquet); raises Mismatch for a repeated request id."""
    table = read(path, TRUTH)
    if table.num_rows != pc.count_distinct(table["request_id"]).as_py():
        raise Mismatch(f"{path.name}: each request_id once expected")
    return Truth(
        request_id=table["request_id"].combine_chunks(),
        account=Names.encode(table["account_id"]),
        day=Names.encode(table["day"]),
        role=Names.encode(table["role"]),
        family=Names.encode(table["family"]),
        campaign=Names.encode(table["campaign"]),
        evasion=Names.encode(table["evasion"]),
        weak=table["weak"].fill_null(False).to_numpy(),
        repeat=table["repeat"].is_valid().to_numpy(),
    )


def read(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    """Read some columns of a table by its extension; those that the file has not are null."""
    return _fitted(_READERS[path.name.removesuffix(".gz").rpartition(".")[2]](path, columns), columns)


def _fitted(table: pa.Table, columns: dict[str, pa.DataType]) -> pa.Table:
    columns = {
        name: table[name].cast(kind) if name in table.column_names else pa.nulls(table.num_rows, kind)
        for name, kind in columns.items()
    }
    return pa.table(columns)


def _read_lines(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    parse = pyarrow.json.ParseOptions(explicit_schema=pa.schema(columns), unexpected_field_behavior="ignore")
    with pa.input_stream(path) as file:
        return pyarrow.json.read_json(file, parse_options=parse)


def _read_csv(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    convert = pyarrow.csv.ConvertOptions(column_types=columns, strings_can_be_null=True)
    return pyarrow.csv.read_csv(path, convert_options=convert)


def _read_parquet(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    there = pq.read_schema(path).names
    return pq.read_table(path, columns=[name for name in columns if name in there])


_READERS: dict[str, Callable[[Path, dict[str, pa.DataType]], pa.Table]] = {
    "jsonl": _read_lines,
    "csv": _read_csv,
    "parquet": _read_parquet,
}


def aligned(truth: Truth, table: pa.Table) -> pa.Table:
    """Order a table with a request_id column as the truth is, leaving out requests the truth has not.

    Raises Mismatch where the table lacks a request of the truth or has one twice.
    """
    if table.num_rows != pc.count_distinct(table["request_id"]).as_py():
        raise Mismatch("each request_id once expected in the results")
    place = pc.index_in(truth.request_id, value_set=table["request_id"].combine_chunks())
    if place.null_count:
        raise Mismatch(f"results for {len(truth)} requests expected, {len(truth) - place.null_count} found")
    return table.take(place)


def assigned(truth: Truth, table: pa.Table) -> Names:
    """Return the family that each request of the truth was given in an ASSIGNMENTS table (n,)."""
    return Names.encode(aligned(truth, table)["family_id"])
