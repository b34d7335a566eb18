"""The matcher that answers now: it follows the home's live snapshot and what people say of its families.

To make a snapshot takes seconds, and waits for the job that works on the home. So what people say reaches lookups
without one: `refresh` reads the families' facts from the database and lays them over the snapshot in use (D-052). While the
database is away, the last ones stand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from fingerprint.domain.errors import SnapshotError, StoreError
from fingerprint.domain.results import Match
from fingerprint.domain.schemas import TURN_END
from fingerprint.domain.settings import Home
from fingerprint.embedding.embedder import Embedder
from fingerprint.matching.beginnings import LONG, VERY_LONG, go_on
from fingerprint.matching.long_texts import Between
from fingerprint.matching.matcher import Matcher
from fingerprint.matching.snapshot import Snapshot, open_snapshot
from fingerprint.matching.snapshot_build import embedder_of, with_facts
from fingerprint.matching.snapshot_files import current_snapshot, published_at
from fingerprint.store.store import Store
from fingerprint.text.normalise import compose_one
from fingerprint.traffic.bodies import Body, parsed, said_in
from fingerprint.traffic.content import NO_ROLES, Roles
from fingerprint.traffic.lenient_json import MOST_VALUES

REMEMBERED = 16_384
"""Sentences whose vectors a process that answers keeps where a model takes long for one: system prompts and earlier turns come again."""


def one_thread() -> None:
    """Let the tokenizer use one thread in this process: a server runs a process a core, and threads would fight."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """One request to look up.

    account: who sent it, if known. said: what the user says of the prompt, where that has others' turns, too; None: all of it.
    """

    prompt: str
    system: str | None = None
    account: str | None = None
    said: str | None = None


def read_request(body: Body, account: str | None = None, roles: Roles = NO_ROLES) -> LookupRequest:
    """Read a provider's request, or a plain prompt and system, as `lookup` reads a log.

    account: who sent it, if it is known better than by the request. roles: whose turns are read beside those of system and
    user. Raises BadRow where no text can be found.
    """
    sent = said_in(body, roles)
    return LookupRequest(sent.prompt, sent.system, sent.account if account is None else account, sent.said)


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers until the next swap; published: when its snapshot was written, seconds of the epoch.

    revision: of what people say, as laid over it.
    """

    matcher: Matcher
    snapshot_id: str
    published: float
    revision: int


class Live:
    """The newest snapshot of a home, swapped by replacing one reference; one thread calls `refresh`."""

    def __init__(self, home: Home, model: str | None = None) -> None:
        self.home = home
        self.serving: Serving | None = None
        self._model = model
        self._embedder: Embedder | None = None
        self._mapped: Snapshot | None = None

    def refresh(self, store: Store | None) -> bool:
        """Swap in a newer snapshot or newer words of people, if there are any; tells whether it did.

        store None: the database is away. Raises SnapshotError without a sound snapshot, StampMismatch for one
        of another model, StoreError when the database goes away meanwhile; what answered before still does.
        """
        new_snapshot = self._mapped is None or (
            self.on_disk() and current_snapshot(self.home.path) != self._mapped.id
        )
        if new_snapshot:
            self._mapped = open_snapshot(self.home.path)
        revision = _facts_revision(store)
        if not new_snapshot and self.serving is not None and revision in (None, self.serving.revision):
            return False
        self._swap(store, revision)
        return True

    def on_disk(self) -> bool:
        """Tell whether the home still has its snapshot; one in use goes on without its files."""
        try:
            published_at(self.home.path, current_snapshot(self.home.path))
        except SnapshotError:
            return False
        return True

    def is_behind(self, store: Store) -> bool:
        """Tell whether the snapshot lacks something that people said or a night stored; raises StoreError."""
        mapped, serving = self._mapped, self.serving
        if mapped is None or serving is None:
            return store.last_night() is not None
        facts_are_later = mapped.meta.get("revision", -1) < serving.revision
        return bool(facts_are_later or mapped.meta["night"] != store.last_night())

    def _swap(self, store: Store | None, facts_revision: int | None) -> None:
        mapped = self._mapped
        assert mapped is not None
        revision, facts = (mapped.meta.get("revision", 0), None)
        if store is not None and facts_revision is not None:
            revision, facts = store.facts()
        if self._embedder is None:
            self._embedder = embedder_of(mapped, self._model)
            self._embedder.remember(REMEMBERED)
            # in a new process the first body of each kind loads, or compiles for seconds, what reads it
            for words, more in (("a", ""), ("a", ', "n": NaN'), ("a" * MOST_VALUES, "")):
                said_in(parsed(f'{{"prompt": "{words}", "account_id": "b"{more}}}'.encode()))
        before = None if self.serving is None else self.serving.matcher
        matcher = Matcher(mapped if facts is None else with_facts(mapped, facts), self._embedder, before)
        # the first lookups of a snapshot read its pages, and in a new process load the kernels
        short = "the first lookup of a snapshot reads its pages"
        long = f"{short}. " * (VERY_LONG // len(short))
        for text in (short, long[:LONG], f"{long[:LONG]}{TURN_END}{short}", f"{long} {short}"):
            matcher.one(text)
        same = self.serving is not None and self.serving.snapshot_id == mapped.id
        # its files may be gone, though what is mapped is not
        published = (
            self.serving.published if same and self.serving else published_at(self.home.path, mapped.id)
        )
        self.serving = Serving(matcher, mapped.id, published, revision)


def _facts_revision(store: Store | None) -> int | None:
    """Return the revision of what people say; None while the database is away."""
    try:
        return None if store is None else store.revision()
    except StoreError:
        return None


def answers(matcher: Matcher, requests: Sequence[LookupRequest], between: Between = go_on) -> list[Match]:
    """Look several requests up at once; the same answers as one by one, without segments and slots.

    Raises what `between` does, which is called while very long texts are read.
    """
    texts = [compose_one(a.system, a.prompt) for a in requests]
    accounts = [a.account for a in requests]
    said = [
        text if a.said is None else compose_one(a.system, a.said)
        for text, a in zip(texts, requests, strict=True)
    ]
    return matcher.matches(matcher.find_raw(texts, accounts, between, said), accounts)
