"""Watches a stream of requests and raises families while the day runs.

Each request is matched to the home's families at once. The others stand in a window of bounded age and size, in
which families are looked for again and again, as a night does in a day's traffic, continuing those raised before (D-014).
Time is the requests' own, so a replayed day raises what the day itself would have.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.assessment.assess import EarlierNights, assess, meanings
from fingerprint.assessment.earlier_evidence import Since
from fingerprint.discovery.batch import Batch, Requests, collect
from fingerprint.discovery.discover import discover
from fingerprint.discovery.layers import carriers_of, peel
from fingerprint.discovery.topics import topics
from fingerprint.domain.errors import HomeLocked, SnapshotError
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import Home, Settings
from fingerprint.domain.signature import Signature
from fingerprint.embedding.embedder import Embedder, model_of, stamp_of
from fingerprint.evidence.intents import catalogue
from fingerprint.jobs import watch_state
from fingerprint.jobs.publish import publish_snapshot
from fingerprint.jobs.round_vectors import RoundVectors
from fingerprint.jobs.watch_state import EventRecord, WatchState
from fingerprint.matching.live import Live
from fingerprint.nights.night import fill_batch
from fingerprint.nights.turns import in_memory, turns
from fingerprint.signatures.adoption import adopt
from fingerprint.signatures.describe import describe, text_families
from fingerprint.signatures.rewordings import common_words, rewordings
from fingerprint.signatures.spread import with_requests
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store
from fingerprint.text.normalise import normalise_batch
from fingerprint.traffic.feeds import Chunk, Feed, Position
from fingerprint.traffic.reader import read_traffic

EXAMPLES = 10
"""Request ids that an event names."""

RECENT_CHUNKS = 64
"""Chunks in which a request is looked for that the stream may repeat."""

MEANING_GROWTH = 0.5
"""Families of meaning take most of a round's time, so new ones are looked for after the window grew by this share."""

MAX_RAISED = 1_000
"""Families that are continued; beyond them those that were seen longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a stream is watched.

    every_minutes, every_rows: families are looked for after so much of the stream's time, if at least least_rows
    requests came in it that no family of the home explains, and they are a share `growth` of those that there were; at
    the latest after so many of these. So a round costs more the fuller the window, and all rounds of a day little more
    than a few nights.
    window_hours, window_rows: how old and how many such requests are kept. store: a flagged family is stored in the
    home at once, so that lookups match it.
    """

    settings: Settings = field(default_factory=Settings)
    every_minutes: float = 10.0
    every_rows: int = 5_000
    least_rows: int = 100
    growth: float = 0.2
    window_hours: float = 24.0
    window_rows: int = 60_000
    store: bool = False
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class _Buffered:
    """Unexplained requests of one chunk, and where in the stream they stand."""

    start: Position
    rows: pa.RecordBatch


class Watch:
    """What is known of a stream so far; `emit` gets each event as a JSON object."""

    def __init__(
        self, home: Home, options: WatchOptions, state: WatchState, emit: Callable[[EventRecord], None]
    ) -> None:
        self._home, self._options, self._emit = home, options, emit
        self.state = state
        self._store = Store.open(home.path, home.database)
        self._embedder = Embedder.load(options.settings.model or model_of(self._store.stamp()), light=True)
        self._stamp = stamp_of(self._embedder)
        self._vectors = RoundVectors(self._embedder)
        self._window: list[_Buffered] = []
        self._fresh = 0
        self._live: Live | None = None
        self._store.check_stamp(self._stamp)
        self._refresh()

    @property
    def window_size(self) -> int:
        """How many requests the window holds."""
        return sum(len(part.rows) for part in self._window)

    def run(self, feed: Feed, save: Callable[[WatchState], None] | None = None) -> None:
        """Watch a feed to its end, going on from the state; `save` is called after each round, before the next."""
        for chunk in feed.chunks(self.state.resume, self.state.done):
            self.take(chunk)
            if not chunk.again and self._due():
                self.round(chunk.end)
                if save is not None:
                    save(self.state)
        self.round(self.state.seen, last=True)
        if save is not None:
            save(self.state)

    def take(self, chunk: Chunk) -> None:
        """Match the requests of a chunk, and hold those that no family of the home explains."""
        self.state.seen = chunk.end
        if not chunk.lines:
            return
        reader = read_traffic(
            ["-"], rejects=None, reading=self._options.reading, stdin=io.BytesIO(chunk.lines)
        )
        for rows in reader:
            rest = self._unexplained(self._new(rows), again=chunk.again)
            latest = pc.max(rows.column("timestamp")).as_py()
            self.state.latest = max(self.state.latest or latest, latest)
            self.state.last_round = self.state.last_round or self.state.latest
            if len(rest):
                self._window.append(_Buffered(chunk.start, rest))
                self._fresh += 0 if chunk.again else len(rest)
        report = reader.report()
        if not chunk.again:
            self.state.rows += report.rows_read
            self.state.rejected += report.rejected

    def _new(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Leave out requests that the window got of late: a stream may repeat some."""
        recent = pa.chunked_array(
            [part.rows.column("request_id") for part in self._window[-RECENT_CHUNKS:]], pa.large_string()
        )
        return rows.filter(pc.invert(pc.is_in(rows.column("request_id"), value_set=recent)))

    def _unexplained(self, rows: pa.RecordBatch, *, again: bool) -> pa.RecordBatch:
        serving = None if self._live is None else self._live.serving
        if serving is None or not len(rows):
            return rows
        hits = serving.matcher.find(normalise_batch(rows), rows.column("account_id"))
        if not again:
            for number in np.unique(hits.family[hits.matched]).tolist():
                matched = np.flatnonzero(hits.matched & (hits.family == number))
                self._tell_active(serving.matcher.families[number], rows.take(pa.array(matched)))
        return rows.filter(pa.array(~hits.matched))

    def _tell_active(self, facts: Mapping[str, Any], rows: pa.RecordBatch) -> None:
        """Tell that a family of the home is sent, once on each day of the stream."""
        at = pc.min(rows.column("timestamp")).as_py()
        day = at.date().isoformat()
        if self.state.active.get(facts["family_id"]) != day:
            self.state.active[facts["family_id"]] = day
            self._emit(
                {
                    "event": "active",
                    "at": at,
                    "family_id": facts["family_id"],
                    "label": facts["label"],
                    "campaign_id": facts["campaign_id"],
                    "requests": len(rows),
                    "examples": rows.column("request_id").slice(0, EXAMPLES).to_pylist(),
                }
            )

    def _due(self) -> bool:
        if self.state.latest is None or self.state.last_round is None:
            return False
        waited = self.state.latest - self.state.last_round >= timedelta(minutes=self._options.every_minutes)
        grown = self._fresh >= self._options.growth * (self.window_size - self._fresh)
        enough = waited and grown and self._fresh >= self._options.least_rows
        return enough or self._fresh >= self._options.every_rows

    def _meaning_due(self, last: bool) -> bool:
        """Tell whether enough has come since families of meaning were looked for, or nothing more will; count it if not."""
        self.state.since_meaning += self._fresh
        earlier = self.window_size - self.state.since_meaning
        if self.state.since_meaning < MEANING_GROWTH * earlier and not last:
            return False
        self.state.since_meaning = 0
        return True

    def round(self, end: Position, *, last: bool = False) -> None:
        """Look for families in the window, and tell what is new; `end` is the position reached, last: of the stream."""
        self._refresh()
        self._evict()
        if self._fresh and self._window:
            hours = self._options.settings.conversation_hours
            whole = pa.Table.from_batches([part.rows for part in self._window]).combine_chunks()
            rows, requests = in_memory(list(turns(whole.to_batches(), hours)))
            self._search(collect([rows]), requests, meaning=self._meaning_due(last))
        self._fresh = 0
        self.state.last_round = self.state.latest
        self.state.done = dict(end)
        self.state.resume = dict(self._window[0].start if self._window else end)

    def _evict(self) -> None:
        """Let go of what is too old, and of the oldest chunks where there are too many requests."""
        if self.state.latest is None:
            return
        oldest = pa.scalar(
            self.state.latest - timedelta(hours=self._options.window_hours), pa.timestamp("us", tz="UTC")
        )
        kept, count = [], 0
        for part in reversed(self._window):
            young = pc.greater_equal(part.rows.column("timestamp"), oldest)
            if count >= self._options.window_rows or not pc.any(young).as_py():
                continue
            rows = part.rows.filter(young)
            count += len(rows)
            kept.append(replace(part, rows=rows))
        self._window = kept[::-1]

    def _search(self, batch: Batch, requests: Requests, *, meaning: bool) -> None:
        """Find families in the window by the steps of a night, continuing those raised before, and tell what is new.

        meaning: look for new families of meaning, too, which takes most of the time.
        """
        settings, raised = self._options.settings, list(self.state.raised.values())
        self._vectors.begin_round()
        discovery = peel(batch, discover(batch, raised, settings, lambda _stage: None), raised, settings)
        continued = discovery.continued(raised)
        carrier = carriers_of(batch, discovery, settings)
        assignment = adopt(batch, batch.texts_of, continued, discovery.assignment, self._vectors, carrier)
        topical = topics(batch, discovery, assignment, raised, self._vectors, settings, fresh=meaning)
        textual = text_families(batch, discovery, raised, self._stamp, settings)
        described = describe(batch, discovery, textual, topical, raised, self._vectors, self._stamp, settings)
        night = rewordings(described, batch, batch.texts_of, common=common_words(batch), embed=self._vectors)
        stored = [*self._store.signatures(), *raised]
        before = EarlierNights(self._store.family_accounts(), self._store.account_totals())
        about = meanings(batch, night, batch.texts_of, batch.sizes, catalogue(), self._vectors)
        signatures = assess(
            batch,
            night,
            fill_batch(batch, night)[0],
            about,
            before,
            stored,
            precision=settings.precision,
            since=Since.MIXED,
        )
        signatures = with_requests(batch, requests, signatures, night.label[batch.prompt])
        label = night.label[batch.prompt][requests.conversation]
        for f, signature in enumerate(signatures):
            ids = requests.request_id.filter(pa.array(label == f))
            if signature.variant_of is None and len(ids):
                self._tell(signature, ids)
        self.state.raised = _latest(signatures)
        if self._options.store:
            names = pa.array([s.family_id for s in night.signatures], pa.large_string())
            family = names.take(pa.array(label, mask=label < 0))
            self._keep(pa.table({"request_id": requests.request_id, "family_id": family}))

    def _tell(self, signature: Signature, ids: pa.ChunkedArray) -> None:
        """Tell that a family was raised or flagged, if that is new; ids: of its requests in the window."""
        name, spread = signature.family_id, signature.spread
        news = []
        if name not in self.state.raised:
            news.append("raised")
        if signature.flagged and name not in self.state.flagged:
            news.append("flagged")
            self.state.flagged.append(name)
        for event in news:
            self._emit(
                {
                    "event": event,
                    "at": self.state.latest,
                    "family_id": name,
                    "score": round(signature.score, 4),
                    "flagged": signature.flagged,
                    "requests": spread.requests,
                    "conversations": spread.conversations,
                    "accounts": spread.accounts,
                    "first_seen": spread.first_seen,
                    "last_seen": spread.last_seen,
                    "template": str(signature.template),
                    "reasons": [
                        r.words for r in sorted(signature.reasons, key=lambda r: -r.contribution)[:5]
                    ],
                    "examples": ids[:EXAMPLES].to_pylist(),
                }
            )

    def _keep(self, assigned: pa.Table) -> None:
        """Store the flagged families in the home, which then explains their requests; later, if another job has it.

        assigned: request_id and family_id of the window's requests.
        """
        flagged = [s for s in self.state.raised.values() if s.family_id in self.state.flagged]
        if not flagged:
            return
        try:
            with HomeLock(self._home.path):
                self._store.import_signatures(flagged)
            publish_snapshot(self._home)
        except HomeLocked:
            return
        stored = [s.family_id for s in flagged]
        explained = pc.is_in(assigned.column("family_id"), value_set=pa.array(stored, pa.large_string()))
        ids = assigned.column("request_id").filter(explained)
        for place, part in enumerate(self._window):
            others = pc.invert(pc.is_in(part.rows.column("request_id"), value_set=ids))
            self._window[place] = replace(part, rows=part.rows.filter(others))
        self._window = [part for part in self._window if len(part.rows)]
        for name in stored:
            del self.state.raised[name]
        self._refresh()

    def _refresh(self) -> None:
        """Follow the home's snapshot and labels; a home without a snapshot explains nothing."""
        live = self._live or Live(self._home, self._options.settings.model)
        try:
            live.refresh(self._store)
        except SnapshotError:
            return
        self._live = live


@dataclass(frozen=True, slots=True)
class WatchFiles:
    """Where a watch is kept: the name of its source, its state, and its events (None: stdout)."""

    source: str
    state: Path | None = None
    events: Path | None = None


def watch(
    feed: Feed,
    home: Home,
    place: WatchFiles,
    options: WatchOptions | None = None,
    *,
    notices: Callable[[EventRecord], None] | None = None,
) -> WatchState:
    """Watch a feed to its end, going on from the state that a former run left; returns the state at the end.

    notices: called with each event once it is written.
    """
    options = options or WatchOptions()
    with Store.open(home.path, home.database) as store:
        stamp = stamp_of(Embedder.load(options.settings.model or model_of(store.stamp()), light=True))
    state = watch_state.load(place.state, place.source, stamp)
    events = watch_state.EventLog(place.events, state)

    def save(reached: WatchState) -> None:
        events.sync()
        if place.state is not None:
            watch_state.save(reached, place.state, place.source, stamp)

    def emit(event: EventRecord) -> None:
        events(event)
        if notices is not None:
            notices(event)

    Watch(home, options, state, emit).run(feed, save)
    return state


def _latest(signatures: Sequence[Signature]) -> dict[str, Signature]:
    """Return the signatures to continue by their ids, those seen last if there are too many."""
    ranked = sorted(signatures, key=lambda s: s.spread.last_seen, reverse=True)[:MAX_RAISED]
    kept = {s.family_id for s in ranked}
    return {s.family_id: s for s in signatures if s.family_id in kept}
