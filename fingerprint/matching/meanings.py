"""Whose meaning a text says best, among the families whose sentences are nearest to its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import inlined, kernel, njit
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.embedding.similarity import held_by, held_from
from fingerprint.embedding.word_similarity import Words, WordVectors, said_by
from fingerprint.matching.template_words import NONE, AskedWords
from fingerprint.signatures.match_score import NARROW, READ_FOREIGN_FROM, READ_FROM, USUALLY_SAID

_NARROW, _USUALLY_SAID = np.float32(NARROW), np.float32(USUALLY_SAID)
_READ_FROM, _READ_FOREIGN_FROM = np.float32(READ_FROM), np.float32(READ_FOREIGN_FROM)

MOST_READ, MOST_FOREIGN_READ = 3, 16
"""Families with which a text is compared word by word: those it is nearest to. A text with a sentence in another language than
English, of which there are few, with more."""


class Meanings(NamedTuple):
    """What f families mean; snapshots keep these arrays under these names.

    prototypes: (p, d) float32 unit rows, of the templates' sentences, or of whole prompts where topical. bounds: (f + 1,)
    int64, where those of each family begin. similarity, usual: (f,) float32, `least` and `typical` of `match_score.meaning`.
    topical: (f,) bool, families that share what they say and no text. campaign: (f,) bool. word_similarity: (f,) float32,
    as of `Signature`.
    """

    prototypes: FloatArray
    bounds: IntArray
    similarity: FloatArray
    usual: FloatArray
    topical: Bools
    campaign: Bools
    word_similarity: FloatArray


class Meant(NamedTuple):
    """The family whose meaning each of q texts says best, all (q,).

    family: int32, -1 = none. similarity: float32, how much of it the text holds. beyond: float32, how far that lies beyond what others
    hold, `match_score.meaning`.
    """

    family: Ids
    similarity: FloatArray
    beyond: FloatArray

    def of(self, rows: IntArray) -> Meant:
        """Return the same of some texts, rows (r,)."""
        return Meant(self.family[rows], self.similarity[rows], self.beyond[rows])


@njit(cache=True, nogil=True)
def best_meaning(
    meanings: Meanings,
    vectors: FloatArray,
    offsets: IntArray,
    owner: Ids,
    carrier: Ids,
    foreign: Bools,
) -> tuple[Meant, Ids]:
    """Find the family whose meaning each of q texts says best, among those that are compared by sentences alone.

    Also return the families that each text must be compared with word by word, (q, MOST_FOREIGN_READ) int32, -1 = none.

    vectors: (s, d) float32 unit rows, all texts' sentences, or (s + q, d) with the texts as a whole behind them, by which
    topical families are found, and others by sentences. offsets: (q + 1,) int64, where each text's sentences begin. owner:
    the families, -1 = none, whose prototypes are nearest to each vector, (s, n) or (s + q, n) int32. carrier: (q,) int32, the
    family whose text each holds, -1 = none: then only campaigns count. foreign: (s,) or (s + q,) bool, what is in another
    language than English. Of equals the first, topical ones last.
    """
    texts, sentences = len(carrier), offsets[-1]
    meant = Meant(np.full(texts, -1, np.int32), np.zeros(texts, np.float32), np.zeros(texts, np.float32))
    to_read = np.full((texts, MOST_FOREIGN_READ), -1, np.int32)
    near = np.empty(MOST_FOREIGN_READ, np.float32)
    most = 1
    for row in range(texts):
        most = max(most, offsets[row + 1] - offsets[row])
    seen = np.empty(most * owner.shape[1], np.int32)
    for row in range(texts):
        span = offsets[row], offsets[row + 1]
        only_campaigns = carrier[row] >= 0
        gate, count = _READ_FROM, MOST_READ
        for s in range(span[0], span[1]):
            if foreign[s]:
                gate, count = _READ_FOREIGN_FROM, MOST_FOREIGN_READ
        best = _best(
            meanings, vectors, span, owner, (False, only_campaigns), seen, gate, to_read[row, :count], near
        )
        if len(vectors) > sentences:
            whole = sentences + row, sentences + row + 1
            topical = _best(
                meanings, vectors, whole, owner, (True, only_campaigns), seen, gate, to_read[row, :0], near
            )
            if topical[2] > best[2]:
                best = topical
        meant.family[row], meant.similarity[row], meant.beyond[row] = best
    return meant, to_read


@kernel
def _best(
    meanings: Meanings,
    vectors: FloatArray,
    span: tuple[int, int],
    owner: Ids,
    kind: tuple[bool, bool],
    seen: Ids,
    gate: np.float32,
    to_read: Ids,
    near: FloatArray,
) -> tuple[np.int32, np.float32, np.float32]:
    """Return the family, what the vectors of the span hold of it, and how far that lies beyond what others hold, 0 for none.

    to_read: (n,) int32 of -1, the families are written that must be read word by word, the nearest first; near: room for how near.
    """
    topical, only_campaigns = kind
    count, best, similarity, most = 0, np.int32(-1), np.float32(0), np.float32(0)
    for v in range(span[0], span[1]):
        for n in range(owner.shape[1]):
            f = owner[v, n]
            if f < 0 or meanings.topical[f] != topical or (only_campaigns and not meanings.campaign[f]):
                continue
            if _holds(seen, count, f):
                continue
            seen[count] = f
            count += 1
            least, usual, by_words = (
                meanings.similarity[f],
                meanings.usual[f],
                meanings.word_similarity[f] < 1,
            )
            unit = max(least - usual, _NARROW)
            own = meanings.bounds[f], meanings.bounds[f + 1]
            # most families fall short of what counts with their first sentences
            counts = usual + gate * unit if by_words else least + most * unit
            shared = held_from(vectors, span, meanings.prototypes, own, counts)
            if by_words:
                way = (shared - usual) / unit
                if way >= gate:
                    _insert(to_read, near, np.int32(f), way)
                continue
            beyond = max(shared - least, np.float32(0)) / unit
            if beyond > most or (beyond == most and best >= 0 and f < best):
                best, similarity, most = f, shared, beyond
    return best, similarity, most


@inlined
def _insert(families: Ids, near: FloatArray, family: np.int32, way: np.float32) -> None:
    """Put a family among others, the nearest first, of equals the lowest number; the last is lost where all have room no more."""
    place = len(families)
    while place > 0:
        before = families[place - 1]
        if before >= 0 and (near[place - 1] > way or (near[place - 1] == way and before < family)):
            break
        if place < len(families):
            families[place], near[place] = before, near[place - 1]
        place -= 1
    if place < len(families):
        families[place], near[place] = family, way


@njit(cache=True, nogil=True)
def read_meaning(
    meanings: Meanings,
    meant: Meant,
    to_read: Ids,
    model: WordVectors,
    vectors: FloatArray,
    offsets: IntArray,
    words: Words,
    foreign: Bools,
    asked: AskedWords,
) -> None:
    """Compare q texts word by word with the families to read, of which one goes before where it is said better.

    What an English text's sentences lack is taken off: few words may be there by chance.

    meant: of the texts, is changed; to_read: (q, n) int32, as of `best_meaning`. vectors: (s, d), offsets (q + 1,), words and foreign (s,): of
    their sentences. asked: the words of these families' sentences; a family whose words are not known is compared by its sentences.
    """
    for row in range(len(to_read)):
        span = offsets[row], offsets[row + 1]
        english = not foreign[span[0] : span[1]].any()
        for f in to_read[row]:
            if f < 0:
                break
            own = meanings.bounds[f], meanings.bounds[f + 1]
            shared = held_by(vectors, span, meanings.prototypes, own)
            least = meanings.similarity[f]
            beyond = (shared - least) / max(least - meanings.usual[f], _NARROW)
            first = asked.first[f]
            if first != NONE:
                lacks = min(beyond, np.float32(0)) if english else np.float32(0)
                said = said_by(
                    model, vectors, span, words, foreign, meanings.prototypes, own, asked.words, first
                )
                least = meanings.word_similarity[f]
                beyond = lacks + (said - least) / max(least - _USUALLY_SAID, _NARROW)
            best = meant.beyond[row]
            if beyond > best or (beyond == best and beyond > 0 and f < meant.family[row]):
                meant.family[row], meant.similarity[row], meant.beyond[row] = f, shared, beyond


@inlined
def _holds(seen: Ids, count: int, family: int) -> bool:
    there = False
    for n in range(count):
        there |= seen[n] == family
    return there
