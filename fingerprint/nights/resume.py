"""What a stored night has left to write, kept from before it is stored until it ends, so that a killed job ends the same.

Once its families are stored, a night run again would find them known and explain a little more with them. So what it
hands out is kept beside the checkpoints, and the job that comes again only writes what was left to write (D-041).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.base.files import durable_file
from fingerprint.domain.errors import StoreError
from fingerprint.domain.families_column import families_column
from fingerprint.domain.results import NightReport
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.claims import Claims
from fingerprint.nights.night import Night
from fingerprint.nights.over_midnight import Given, given, to_rows
from fingerprint.signatures.adoption import owners
from fingerprint.signatures.rewordings import NightFamilies

STAGE = "result"
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class StoredNight:
    """A night that was stored: its report, the times of its first and its last request, and the folder of what it hands out."""

    report: NightReport
    begin: float
    end: float
    folder: Path

    def assignments(self) -> pa.Table:
        """Read request_id, family_id, strength and families of every request; raises StoreError where that fails."""
        return _read(self.folder / "assignments.arrow")

    def conversations(self) -> pa.Table:
        """Read what it sent last (`over_midnight.to_rows`); raises StoreError where that fails."""
        return _read(self.folder / "conversations.arrow")

    def unexplained(self) -> pa.Table:
        """Read what of the night to remember (`Discovered.unexplained`); raises StoreError where that fails."""
        return _read(self.folder / "loose.arrow")


@dataclass(frozen=True, slots=True)
class Results:
    """What a night found. also: families that prompts hold beside their own. unexplained: what of it to remember."""

    night: Night
    families: NightFamilies
    also: Claims
    unexplained: pa.Table


def keep(work: Checkpoints, request_key: str, report: NightReport, results: Results) -> StoredNight:
    """Keep what a night that is about to be stored hands out; request_key: `NightRequest.key`.

    Raises StoreError if it cannot be kept.
    """
    draft = work.begin(STAGE)
    night, families = results.night, results.families
    having = given(night.batch, night.continued, families)
    tables = {
        "assignments": _assignments(results, having),
        "loose": results.unexplained,
        "conversations": to_rows(night.sent, night.batch, families, having),
    }
    for name, table in tables.items():
        _write(draft / f"{name}.arrow", table)
    started = report.started.isoformat()
    facts = {
        "asked": request_key,
        "batch_id": report.batch_id,
        "started": started,
        "begin": night.begin,
        "end": night.end,
    }
    work.finish(STAGE, facts)
    return StoredNight(report, night.begin, night.end, work.path(STAGE))


def stored_night(work: Path, request_key: str, nights: Sequence[NightReport]) -> StoredNight | None:
    """Return the night that a job killed since has stored, if it was asked for the same; work: the checkpoints' folder."""
    try:
        facts = json.loads((work / STAGE / "facts.json").read_bytes())
    except OSError:
        return None
    for report in nights if facts["asked"] == request_key else ():
        if (report.batch_id, report.started.isoformat()) == (facts["batch_id"], facts["started"]):
            return StoredNight(report, facts["begin"], facts["end"], work / STAGE)
    return None


def _assignments(results: Results, having: Given) -> pa.Table:
    """Give every request what its conversation has."""
    night, families = results.night, results.families
    families = replace(families, label=having.label, strength=having.strength)
    prompt = having.prompt[night.requests.conversation]
    label = families.label[prompt]
    ids = pa.array([s.family_id for s in families.signatures], pa.large_string())
    family = ids.take(pa.array(label, mask=label < 0))
    strength = pa.array(np.round(families.strength[prompt].astype(np.float64), 4))
    lists = _families(families, results.also).take(pa.array(prompt))
    return pa.table(
        {
            "request_id": night.requests.request_id,
            "family_id": family,
            "strength": strength,
            "families": lists,
        }
    )


def _families(families: NightFamilies, also: Claims) -> pa.LargeListArray:
    """Return all families of each distinct prompt (n,), its own first; a variant is its original."""
    owner = owners(families.signatures)
    given = np.flatnonzero(families.label >= 0)
    size = np.array([max(len(s.grams), 1) for s in families.signatures])
    other = owner[also.family]
    share = also.grams / size[also.family]
    # of several wordings the one that the prompt holds most of
    order = np.lexsort((-share, other, also.prompt))
    prompt, other, share = also.prompt[order], other[order], share[order]
    kept = np.ones(len(prompt), dtype=np.bool_)
    kept[1:] = (prompt[1:] != prompt[:-1]) | (other[1:] != other[:-1])
    kept &= other != families.label[prompt]
    prompt, other, share = prompt[kept], other[kept], share[kept]
    row = np.concatenate([given, prompt])
    score = np.concatenate([families.strength[given].astype(np.float64), share])
    order = np.lexsort((-score, np.repeat([0, 1], [len(given), len(prompt)]), row))
    ids = pa.array([s.family_id for s in families.signatures], pa.large_string())
    named = ids.take(pa.array(np.concatenate([families.label[given], other])[order]))
    return families_column(row[order], named, np.asarray(np.round(score[order], 4)), rows=len(families.label))


def _write(path: Path, table: pa.Table) -> None:
    try:
        with durable_file(path) as file, pa.ipc.new_file(file, table.schema, options=_PACKED) as out:
            out.write_table(table)
    except OSError as error:
        raise StoreError(f"{path}: the night's results cannot be written: {error}") from error


def _read(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path}: the night's results cannot be read: {error}") from error
