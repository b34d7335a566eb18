"""Simulated traffic as tables in memory, worked by the product in this process."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.labelled import ASSIGNMENTS, read
from fingerprint import simulate
from fingerprint.domain.schemas import ROW_SCHEMA
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs.nightly import nightly


def generate(config: simulate.Config) -> pa.Table:
    """Make all traffic of a simulation, with its truth."""
    return pa.concat_tables(simulate.simulate(config)).combine_chunks()


def write_traffic(sent: pa.Table, out: Path) -> Path:
    """Write traffic without its truth, as the product reads it."""
    pq.write_table(sent.select(ROW_SCHEMA.names), out)
    return out


def run_night(sent: pa.Table, home: Home, work: Path, settings: Settings | None = None) -> pa.Table:
    """Work a night into a home; return its assignments."""
    out = work / "assignments.parquet"
    nightly([write_traffic(sent, work / "night.parquet")], home, settings, assignments=out)
    return read(out, ASSIGNMENTS)
