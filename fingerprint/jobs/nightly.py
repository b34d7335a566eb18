"""A night is asked for: it is read ahead while what works it is loaded; its steps are in `night_steps.py`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from fingerprint.assessment.flagging import flag_threshold
from fingerprint.base.jit import load_target
from fingerprint.base.parallel import prefetch, reading_ahead, workers
from fingerprint.base.types import StageProgress
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import NightReport
from fingerprint.domain.settings import Home, Settings
from fingerprint.domain.vocabulary import DEFAULT_MODEL
from fingerprint.embedding.embedder import Embedder
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.nights.engine import choose_engine
from fingerprint.nights.job import NightRequest
from fingerprint.store.lock import HomeLock
from fingerprint.traffic.reader import TrafficReader, read_traffic
from fingerprint.traffic.writer import check_extension

BATCH_ROWS = 16_384
"""Rows that are read at a time, while those before them are put into their conversations."""

AHEAD = 2
"""Batches that may be read before the first of them is wanted."""


def nightly(
    sources: Sequence[str | Path],
    home: Home,
    settings: Settings | None = None,
    *,
    assignments: Path | str | None = None,
    reading: Reading | None = None,
    on_progress: StageProgress | None = None,
) -> NightReport:
    """Cluster one batch of traffic into a home, continuing from the families it knows.

    sources: files, directories, URLs of either, or "-". assignments: path or URL to write request_id, family_id,
    strength and families (all that a request holds, with their scores) to (.jsonl, .csv or .parquet).
    Nothing is stored until all is computed; then everything is, in one transaction. A job that ended after that, killed
    or because `assignments` could not be written, is finished by the same call again, without working anything twice.
    Raises InputError without a single valid row, and the errors of traffic, store and embedding.
    """
    settings = settings or Settings()
    if assignments is not None:
        check_extension(assignments)
    clock = StageClock(on_progress)
    flag_threshold(settings.precision)
    # a call that cannot succeed makes no home
    engine = choose_engine(settings, spill=home.spill, warm_up=_warm_up)
    request = NightRequest(sources, reading or Reading(), settings)
    threads = settings.threads or workers()
    embedder = Embedder.load(
        settings.model or DEFAULT_MODEL, device=settings.device, light=True, threads=threads
    )
    with HomeLock(home.path):
        shutil.rmtree(home.spill, ignore_errors=True)  # of a job that was killed
        reader = _reader(request, home, clock)
        with _begun(reader, home, clock) as batches:
            # what the stages need loads while the first rows are read
            from fingerprint.jobs.night_steps import work_night

            return work_night(request, home, engine, embedder, reader, batches, clock, assignments)


def _warm_up() -> None:
    """Let a node of a cluster make ready what texts are worked with; here that loads while the first rows are read."""
    from fingerprint.nights.spool import warm_up

    warm_up()


@contextmanager
def _begun(reader: TrafficReader, home: Home, clock: StageClock) -> Iterator[Iterator[pa.RecordBatch]]:
    """Begin to read in a thread; not from a pipe, for which a thread may wait for ever, nor what a killed job may have read."""
    load_target()
    if reader.is_pipe or home.work.exists():
        yield iter(reader) if reader.is_pipe else prefetch(iter(reader))
        return
    clock.stage("read")
    with reading_ahead(iter(reader), AHEAD) as batches:
        yield batches


def _reader(request: NightRequest, home: Home, clock: StageClock) -> TrafficReader:
    return read_traffic(
        request.sources,
        rejects=home.rejects / f"{clock.started:%Y%m%dT%H%M%S}.jsonl",
        max_rejects=request.settings.max_rejects,
        reading=request.reading,
        batch_rows=BATCH_ROWS,
        on_progress=clock.reading,
    )
