"""A night's result from before it is stored until it is handed out, so that a job killed in between hands out the same.

Once its families are stored, a night run again would find them known and explain a little more with them. So the
assignments are kept beside the checkpoints, and the job that comes again only finishes what was left to do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from fingerprint.checkpoint import Checkpoints
from fingerprint.errors import StoreError
from fingerprint.records import NightReport

STAGE = "result"
_FILE = "assignments.arrow"
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Handover:
    """A night that was stored: its report, and the file of its assignments."""

    report: NightReport
    path: Path

    def assignments(self) -> pa.Table:
        """Read request_id, family_id and strength of every request; raises StoreError where that fails."""
        try:
            with pa.memory_map(str(self.path)) as file:
                return pa.ipc.open_file(file).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(f"{self.path}: the night's assignments cannot be read: {error}") from error


def keep(work: Checkpoints, asked: str, report: NightReport, assignments: pa.Table) -> Handover:
    """Keep what is about to be stored; asked: the key of what the operator asked for (`night.asked_key`)."""
    path = work.begin(STAGE) / _FILE
    try:
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, assignments.schema, options=_PACKED) as out,
        ):
            out.write_table(assignments)
    except OSError as error:
        raise StoreError(f"{path}: the night's assignments cannot be written: {error}") from error
    work.finish(STAGE, {"asked": asked, "batch_id": report.batch_id, "started": report.started.isoformat()})
    return Handover(report, work.path(STAGE) / _FILE)


def stored(work: Path, asked: str, nights: Sequence[NightReport]) -> Handover | None:
    """Return the night that a job killed since has stored, if it was asked for the same; work: the checkpoints' folder."""
    try:
        facts = json.loads((work / STAGE / "facts.json").read_bytes())
    except OSError:
        return None
    for report in nights if facts["asked"] == asked else ():
        if (report.batch_id, report.started.isoformat()) == (facts["batch_id"], facts["started"]):
            return Handover(report, work / STAGE / _FILE)
    return None
