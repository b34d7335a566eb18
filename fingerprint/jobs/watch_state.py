"""What a watch keeps on disk: where it is in its stream, the families it raised, and the events it told."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from fingerprint.base.files import replacing
from fingerprint.base.private import like_its_folder
from fingerprint.domain.errors import InputError, StampMismatch, StoreError
from fingerprint.domain.signature import Signature, Stamp
from fingerprint.domain.signature_json import from_json, stamp_from_json, stamp_to_json, to_json
from fingerprint.traffic.feeds import Position

FORMAT = "fingerprint-watch/2"

EventRecord = dict[str, Any]
"""An event, as one JSON object."""


@dataclass(slots=True)
class WatchState:
    """Where a watch is; no text that fewer than k accounts sent stands in it.

    resume: where the oldest request stands that the window needs; done: up to where events were told; seen: up to
    where lines were read. latest, last_round: the stream's time. raised: families told and not stored, by id;
    flagged: ids that were told to be flagged. active: the day on which a family of the home was told last.
    told_bytes: the length of the file of events.
    """

    resume: Position = field(default_factory=dict)
    done: Position = field(default_factory=dict)
    seen: Position = field(default_factory=dict)
    latest: datetime | None = None
    last_round: datetime | None = None
    raised: dict[str, Signature] = field(default_factory=dict)
    flagged: list[str] = field(default_factory=list)
    active: dict[str, str] = field(default_factory=dict)
    since_meaning: int = 0
    rows: int = 0
    rejected: int = 0
    told_bytes: int = 0


def load(path: Path | None, source: str, stamp: Stamp) -> WatchState:
    """Read the state that `save` wrote, a fresh one where there is none.

    Raises InputError for another source's or a damaged one, StampMismatch for one of another model.
    """
    if path is None or not path.exists():
        return WatchState()
    try:
        content = orjson.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise InputError(f"{path}: {FORMAT} expected, {content['format']!r} found")
        if content["source"] != source:
            raise InputError(f"{path}: this is the state of {content['source']}, not of {source}")
        if (made := stamp_from_json(content["stamp"])) != stamp:
            raise StampMismatch(f"{path}: a state made by {stamp} expected, by {made} found")
        return WatchState(
            resume=content["resume"],
            done=content["done"],
            seen=content["done"],
            latest=_time(content["latest"]),
            last_round=_time(content["last_round"]),
            raised={s["family_id"]: from_json(s) for s in content["raised"]},
            flagged=content["flagged"],
            active=content["active"],
            since_meaning=content["since_meaning"],
            rows=content["rows"],
            rejected=content["rejected"],
            told_bytes=content["told_bytes"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the state of a watch: {error!r}") from error


def save(state: WatchState, path: Path, source: str, stamp: Stamp) -> None:
    """Replace the state on disk, whole or not at all; raises StoreError where that cannot be done."""
    content = orjson.dumps(
        {
            "format": FORMAT,
            "source": source,
            "stamp": stamp_to_json(stamp),
            "resume": state.resume,
            "done": state.done,
            "latest": state.latest,
            "last_round": state.last_round,
            "raised": [to_json(s) for s in state.raised.values()],
            "flagged": state.flagged,
            "active": state.active,
            "since_meaning": state.since_meaning,
            "rows": state.rows,
            "rejected": state.rejected,
            "told_bytes": state.told_bytes,
        }
    )
    try:
        with replacing(path, durable=True) as file:
            file.write(content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error


class EventLog:
    """Where events go: a file, in which each one stands once even after a crash, or stdout (None)."""

    def __init__(self, path: Path | None, state: WatchState) -> None:
        self._state = state
        self._to_file = path is not None
        self._file: BinaryIO = sys.stdout.buffer if path is None else _open_events(path, state.told_bytes)

    def __call__(self, event: EventRecord) -> None:
        """Write one event."""
        line = orjson.dumps(event, option=orjson.OPT_UTC_Z) + b"\n"
        self._file.write(line)
        self._file.flush()
        self._state.told_bytes += len(line)

    def sync(self) -> None:
        """Make what was written durable."""
        if self._to_file:
            os.fsync(self._file.fileno())


def _open_events(path: Path, length: int) -> BinaryIO:
    """Open a file of events for appending, less those told after the state was saved: they will be told again."""
    try:
        size = path.stat().st_size if path.exists() else 0
        if size < length:
            raise InputError(f"{path}: at least {length:,} bytes of events expected, {size:,} found")
        file = like_its_folder(path).open("ab")
        file.truncate(length)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
    return file


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
