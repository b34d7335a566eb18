"""Looks prompts up among stored families, one at a time or in batches, from a memory-mapped snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import read_only
from fingerprint.base.types import Bools, Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.domain.errors import StampMismatch
from fingerprint.domain.results import FamilyScore, Match
from fingerprint.domain.signature_json import stamp_from_json
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.matching import meanings, ngram_index, reading, scattered
from fingerprint.matching.beginnings import LONG, Beginnings, go_on
from fingerprint.matching.explain import explain
from fingerprint.matching.known_senders import known
from fingerprint.matching.long_texts import Between
from fingerprint.matching.met_vectors import MetVectors
from fingerprint.matching.own_sentences import clear_own
from fingerprint.matching.said_texts import OfEnds, Whole
from fingerprint.matching.snapshot import Snapshot, open_snapshot
from fingerprint.matching.snapshot_build import embedder_of
from fingerprint.matching.template_words import TemplateWords
from fingerprint.signatures import match_score
from fingerprint.text import sentences
from fingerprint.text.normalise import compose_one, normalise
from fingerprint.text.tokenise import tokens

Senders = Sequence[str | None]

NEAR = 8
"""Prototypes nearest to each sentence of a prompt whose families are compared in full."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest family of each of q prompts, all (q,).

    family: its number or -1. known_sender: whether the account sent that family before. matched: bool. also: the other
    families that prompts match, the best first, of each family one signature.
    """

    family: np.ndarray
    score: np.ndarray
    coverage: np.ndarray
    similarity: np.ndarray
    known_sender: np.ndarray
    matched: np.ndarray
    also: ngram_index.Also


class Matcher:
    """A snapshot and the model that reads new prompts as the snapshot's signatures were read."""

    def __init__(self, snapshot: Snapshot, embedder: Embedder, before: Matcher | None = None) -> None:
        """Match against a snapshot; before: a matcher of the same one, with other facts, whose work is used again."""
        stamp = stamp_from_json(snapshot.meta["stamp"])
        if stamp != stamp_of(embedder):
            raise StampMismatch(
                f"the home's signatures were made by {stamp}, this program reads with {stamp_of(embedder)}; "
                "use the same --model, or run the traffic again with another --home"
            )
        self.snapshot = snapshot
        self.families: list[dict[str, Any]] = snapshot.meta["families"]
        self.names: list[str] = [facts["family_id"] for facts in self.families]
        rank = {name: f for f, name in reversed(list(enumerate(self.names)))}
        self._first = np.array([rank[name] for name in self.names], dtype=np.int64)
        self._embedder = embedder
        a = snapshot.arrays
        self._index = ngram_index.NgramIndex(*(a[name] for name in ngram_index.NgramIndex._fields))
        if before is not None and before.snapshot.id == snapshot.id:
            self.filter: HashArray = before.filter
            self._met: MetVectors = before._met
            self._asked: TemplateWords = before._asked
        else:
            self._met = MetVectors(lambda q: snapshot.search(q, NEAR), a["prototypes"].shape[1], NEAR)
            segments = [facts["segments"] for facts in self.families]
            self.filter = scattered.filter_of(self._index.grams, [text for own in segments for text in own])
            self._asked = TemplateWords(segments, a["prototypes"], a["bounds"], embedder)
        self._beginnings = Beginnings(self._index, filter_=self.filter)
        self._meanings = meanings.Meanings(*(a[name] for name in meanings.Meanings._fields))
        if not embedder.is_static:  # nothing reads its texts word by word
            alike = read_only(np.ones(len(self.names), np.float32))
            self._meanings = self._meanings._replace(word_similarity=alike)
        self._any_topical = bool(a["topical"].any())

    @classmethod
    def open(cls, home: Path, model: str | None = None) -> Self:
        """Map the live snapshot of a home; model None takes the one of the two shipped models that made it.

        Raises SnapshotError without a snapshot, StampMismatch for another model's.
        """
        snapshot = open_snapshot(home)
        return cls(snapshot, embedder_of(snapshot, model))

    def remember(self, rows: int) -> None:
        """Keep so many of the last vectors in memory, of a model that takes long to make one."""
        self._embedder.remember(rows)

    def find(
        self,
        texts: pa.LargeStringArray,
        accounts: pa.Array | None = None,
        said: pa.LargeStringArray | None = None,
    ) -> Nearest:
        """Find the nearest family of each normalised text (q,).

        accounts: (q,) who sent them, if known. said: (q,) what counts of them by its meaning; None: all of each.
        """
        return self._found(texts, None if accounts is None else accounts.to_pylist(), said)

    def _found(
        self, texts: pa.LargeStringArray, accounts: Senders | None, said: pa.LargeStringArray | None
    ) -> Nearest:
        read = reading.read(texts, self._index, self.filter)
        held = [ngram_index.held_with(self._index, ngram_index.NOTHING_HELD, hashes) for hashes in read.own]
        hits = self._loosened(read.hits, read.rows, held, read.more)
        return self._nearest_of(hits, Whole(texts if said is None else said), accounts)

    def find_raw(
        self,
        texts: Sequence[str],
        accounts: Senders | None = None,
        between: Between = go_on,
        said: Sequence[str] | None = None,
    ) -> Nearest:
        """Find the nearest family of each text (q,) as it came; of a long one that goes on with another, what it adds is read.

        accounts: (q,), None for whom nobody knows. said: (q,), as for `find`. Raises what `between` does, which is called while very long texts are read.
        """
        said = texts if said is None else said
        if all(len(text) < LONG for text in texts):
            folded = normalise(pa.array(texts, pa.large_string()))
            meant = folded if said == texts else normalise(pa.array(said, pa.large_string()))
            return self._found(folded, accounts, meant)
        every = [self._beginnings.read(text, between) for text in texts]
        hits = ngram_index.best_of(self._index, [read.held for read in every])
        rows = np.array(
            [row for row in self._without_campaign(hits) if len(every[row].more) >= scattered.LEAST], np.int64
        )
        own, more = [every[row].held for row in rows], [every[row].more for row in rows]
        hits = self._loosened(hits, rows, own, more)
        meant = [
            read if part == whole else self._beginnings.read(part, between)
            for read, part, whole in zip(every, said, texts, strict=True)
        ]
        return self._nearest_of(hits, OfEnds([read.ends for read in meant]), accounts)

    def _without_campaign(self, hits: ngram_index.Hits) -> IntArray:
        """Return the texts whose own n-grams match no campaign."""
        campaign = self._index.campaign
        if not len(campaign):
            return np.empty(0, np.int64)
        return np.flatnonzero(~(self._reach(hits.family, hits.score) & campaign[hits.family]))

    def _loosened(
        self,
        hits: ngram_index.Hits,
        rows: IntArray,
        held: Sequence[ngram_index.Held],
        more: Sequence[HashArray],
    ) -> ngram_index.Hits:
        """Return hits where what some texts (r,) hold with their scattered n-grams goes before, if that is nearly a template."""
        if not len(rows):
            return hits
        both = [ngram_index.held_with(self._index, own, found) for own, found in zip(held, more, strict=True)]
        loose = ngram_index.best_of(self._index, both)
        good = self._reach(loose.family, loose.score) & (loose.coverage >= scattered.WHOLE)
        family, score, coverage = hits.family.copy(), hits.score.copy(), hits.coverage.copy()
        family[rows[good]], score[rows[good]] = loose.family[good], loose.score[good]
        coverage[rows[good]] = loose.coverage[good]
        return replace(hits, family=family, score=score, coverage=coverage)

    def embed(self, texts: pa.Array) -> FloatArray:
        """Embed texts as the snapshot's prototypes were, (q, d) unit rows."""
        return self._embedder.encode(texts)

    def _nearest_of(self, hits: ngram_index.Hits, texts: Whole | OfEnds, accounts: Senders | None) -> Nearest:
        """Weigh what texts (q,) hold of the signatures against what they mean; of long texts only the ends are read."""
        family, score = hits.family.copy(), hits.score.copy()
        similarity = np.zeros(len(texts), dtype=np.float32)
        also = [hits.also]
        # a campaign may stand in it, in other words
        carrier = ngram_index.carriers(family, score, self._index.threshold, self._index.campaign)
        unsure = np.flatnonzero((score < match_score.SURE) | (carrier >= 0))
        if len(unsure) and len(self.snapshot.owners):
            meant = self._nearest_in_meaning(texts, unsure, carrier[unsure])
            chosen = meant.family >= 0
            if chosen.any():
                near = meant.of(np.flatnonzero(chosen))
                self._weigh(unsure[chosen], near, carrier, (family, score, similarity), also)
        sent_before = np.zeros(len(texts), dtype=np.bool_)
        if accounts is not None:
            sent_before = known(self.snapshot.arrays["senders"], accounts, family, self.names)
            if sent_before.any():
                score = np.where(sent_before, match_score.from_known_sender(score), score)
        matched = self._reach(family, score)
        coverage = np.where(family == hits.family, hits.coverage, 0.0)
        return Nearest(family, score, coverage, similarity, sent_before, matched, self._beside(also, family))

    def _weigh(
        self,
        rows: IntArray,
        meant: meanings.Meant,
        carrier: Ids,
        answers: tuple[Ids, Doubles, FloatArray],
        also: list[ngram_index.Also],
    ) -> None:
        """Give some prompts, rows (u,), to the family whose meaning each says, where that is better.

        answers: family, score and similarity of all, which are changed. also: other matches, which are added to.
        """
        family, score, similarity = answers
        own, own_score, near = family[rows], score[rows], meant.family
        shift = self.snapshot.arrays["shift"][near].astype(np.float64)
        worth = match_score.shifted(match_score.score_of_meaning(meant.beyond), shift)
        also += [self._matching(rows, near, worth), self._matching(rows, own, own_score)]
        # what matches by its text is not given up for what does not match by its meaning, nor a campaign for another
        rank, near_rank = self._rank(own, own_score), self._rank(near, worth)
        same = near == own
        # honest software may say what a campaign says, too: only what is sure takes a request out of its carrier
        near_rank[(carrier[rows] >= 0) & ~same & (worth < match_score.SURE)] = 0
        better = same | (near_rank > rank) | ((near_rank == rank) & (worth > own_score))
        score[rows[better]] = np.where(same, np.maximum(own_score, worth), worth)[better]
        similarity[rows[better]] = meant.similarity[better]
        family[rows[better]] = near[better]

    def _rank(self, family: Ids, score: Doubles) -> Ids:
        """Return what goes before what, as in `ngram_index`: 2 for a campaign that a text (q,) matches, 1 for what else it matches, 0."""
        rank = self._reach(family, score).astype(np.int32)
        if rank.any():
            rank += rank * self._index.campaign[family]
        return rank

    def _reach(self, family: Ids, score: Doubles) -> Bools:
        """Tell whether texts with these scores (q,) match their families."""
        threshold = self.snapshot.arrays["threshold"]
        if not len(threshold):
            return np.zeros(len(family), dtype=np.bool_)
        return np.asarray((family >= 0) & (score >= threshold[family]))

    def _matching(self, row: IntArray, family: Ids, score: Doubles) -> ngram_index.Also:
        """Return those of these answers (u,) to some prompts that match."""
        chosen = np.flatnonzero(self._reach(family, score))
        return ngram_index.Also(row[chosen], family[chosen], score[chosen])

    def _beside(self, parts: Sequence[ngram_index.Also], family: Ids) -> ngram_index.Also:
        """Put other matches together: of each family the best, none of that which a prompt is given to (q,)."""
        several = [part for part in parts if len(part.row)]
        if not several:
            return parts[0]
        row, other, score = (np.concatenate(column) for column in zip(*several, strict=True))
        order = np.lexsort((other, -score, row))
        row, other, score = row[order], other[order], score[order]
        _, first = np.unique(row * len(self._first) + self._first[other], return_index=True)
        first.sort()
        kept = first[self._first[other[first]] != self._first[family[row[first]]]]
        return ngram_index.Also(row[kept], other[kept], score[kept])

    def _nearest_in_meaning(self, texts: Whole | OfEnds, unsure: IntArray, carrier: Ids) -> meanings.Meant:
        """Find the family whose meaning each of some texts, rows `unsure` (u,), says best (u,).

        carrier: (u,) the family whose text each holds already, -1 = none. Beside it only campaigns are looked for, in what
        follows the system prompt.
        """
        said, heads = texts.read(unsure, carrier >= 0)
        flat, offsets = sentences.split_sentences(said)
        # sentences and whole texts at once: half the calls
        passages = pa.concat_arrays([flat, sentences.heads(heads)]) if self._any_topical else flat
        vectors, foreign = self._embedder.encode_told(passages)
        if (carrier >= 0).any():
            clear_own(vectors, offsets, carrier, self._meanings.prototypes, self._meanings.bounds)
        owners = self._met.owners(vectors)
        meant, to_read = meanings.best_meaning(self._meanings, vectors, offsets, owners, carrier, foreign)
        rows = np.flatnonzero(to_read[:, 0] >= 0)
        if len(rows):
            self._read(rows, to_read[rows], flat, (vectors, foreign), offsets, meant)
        return meant

    def _read(
        self,
        rows: IntArray,
        to_read: Ids,
        flat: pa.LargeStringArray,
        encoded: tuple[FloatArray, Bools],
        offsets: IntArray,
        meant: meanings.Meant,
    ) -> None:
        """Compare some texts, rows (r,), word by word with the families to read (r, n); meant: of all texts, is changed.

        flat: the sentences of all texts, encoded: their vectors and which are in other languages, offsets: where each text's begin.
        """
        asked, model = self._asked.of(to_read[to_read >= 0]), self._embedder.word_model
        assert model is not None  # nothing is to be read otherwise
        if len(rows) < len(offsets) - 1:
            chosen = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])
            flat, encoded = flat.take(pa.array(chosen)), (encoded[0][chosen], encoded[1][chosen])
            offsets = np.append(0, np.cumsum(np.diff(offsets)[rows]))
        own = meant.of(rows)
        words = model.words(flat)
        meanings.read_meaning(
            self._meanings, own, to_read, model.word_vectors, encoded[0], offsets, words, encoded[1], asked
        )
        for column, better in zip(meant, own, strict=True):
            column[rows] = better

    def one(
        self,
        prompt: str,
        system: str | None = None,
        account: str | None = None,
        *,
        explained: bool = False,
        between: Between = go_on,
        said: str | None = None,
    ) -> Match:
        """Look one prompt up; account: who sent it, if known. said: what its user says of it, None: all of it.

        explained: also tell the segments of the template, and what the prompt has between them, which takes longer.
        Raises what `between` does, as `find_raw`.
        """
        text = compose_one(system, prompt)
        meant = text if said is None else compose_one(system, said)
        nearest = self.find_raw([text], None if account is None else [account], between, [meant])
        match = self.matches(nearest, [account])[0]
        if not explained or match.candidate_id is None:
            return match
        folded = normalise(pa.array([text], pa.large_string()))
        template = self.families[int(nearest.family[0])]["segments"]
        segments, slots = explain(folded[0].as_py(), tokens(folded), template)
        return replace(match, segments=segments, slots=slots)

    def matches(self, nearest: Nearest, accounts: Sequence[str | None]) -> list[Match]:
        """Return the matches of q requests, of senders (q,) if known."""
        threshold = self.snapshot.arrays["threshold"]
        also: dict[int, list[FamilyScore]] = {}
        for row, other, score in zip(*(column.tolist() for column in nearest.also), strict=True):
            also.setdefault(row, []).append(FamilyScore(self.names[other], score))
        return [
            Match(None, None, 0.0, None, None)
            if number < 0
            else Match(
                family_id=self.families[number]["family_id"] if nearest.matched[row] else None,
                candidate_id=self.families[number]["family_id"],
                score=float(nearest.score[row]),
                label=self.families[number]["label"],
                campaign_id=self.families[number]["campaign_id"],
                threshold=float(threshold[number]),
                coverage=float(nearest.coverage[row]),
                similarity=float(nearest.similarity[row]),
                known_sender=bool(nearest.known_sender[row]) if accounts[row] else None,
                also=tuple(also.get(row, ())),
            )
            for row, number in enumerate(nearest.family.tolist())
        ]
