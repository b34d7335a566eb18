"""Writes a family's template: its fixed segments and slots, in order, holding only what k accounts sent.

The member that covers most of the core gives the order; every run of its tokens that core grams cover
is a segment. Where a segment stands in the other members tells its position and what fills the slots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit
from scipy import sparse

from fingerprint.columns import SharedGrams, Shingles
from fingerprint.records import HashArray, Ids, IntArray, Place, Segment, Slot, SlotKind, Template

SAMPLE = 200
"""Members that are looked at for a template; chosen evenly, so the same batch gives the same ones."""

MOST_SIGNS = 12
"""Bytes of punctuation that may stand between two words of a segment."""


class Tokens(Protocol):
    """What `tokenise.tokens` returns, as far as it is read here."""

    @property
    def row_offsets(self) -> IntArray: ...  # noqa: D102
    @property
    def hashes(self) -> HashArray: ...  # noqa: D102
    @property
    def starts(self) -> Ids: ...  # noqa: D102
    @property
    def ends(self) -> Ids: ...  # noqa: D102
    @property
    def section(self) -> npt.NDArray[np.uint8]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Corpus:
    """What templates are written from: n prompts, their grams, their senders (n, a), and how to tokenise them.

    texts: (n,) normalised; shown: (n,) the same prompts with their own letters and case. fold makes the first
    from the second.
    """

    shingles: Shingles
    shared: SharedGrams
    texts: pa.ChunkedArray
    shown: pa.ChunkedArray
    senders: sparse.csr_matrix
    tokens: Callable[[pa.Array], Tokens]
    fold: Callable[[pa.Array], pa.Array]
    unmask: Callable[[str], str]


def write_template(corpus: Corpus, core: Ids, members: Ids, *, accounts: int) -> Template:
    """Write the template of `members` (prompt numbers) around `core` (gram numbers).

    accounts: how many accounts must have sent a segment, word for word, for it to stand in the template.
    The template is empty if nothing meets that, or there are no members.
    """
    if not len(core) or not len(members):
        return Template(())
    chosen = members[np.unique(np.linspace(0, len(members) - 1, min(len(members), SAMPLE)).astype(np.int64))]
    in_core = np.zeros(corpus.shared.postings.shape[0], dtype=np.bool_)
    in_core[core] = True
    offsets = corpus.shingles.offsets
    model = chosen[_most_covered(corpus.shared.ids, offsets, chosen, in_core)]
    texts, shown = (column.take(pa.array(chosen)) for column in (corpus.texts, corpus.shown))
    sample = _Sample(corpus, chosen, corpus.tokens(texts), _bytes(texts), corpus.tokens(shown), _bytes(shown))
    runs = _runs(corpus, model, in_core)
    base = int(sample.tokens.row_offsets[sample.row_of(model)])
    runs = [part for run in runs for part in _anonymous(sample, base, run, accounts)]
    runs, run_of = _own_grams(corpus, model, runs, in_core)
    if not runs:
        return Template(())
    return _assemble(sample, model, runs, run_of, accounts)


@dataclass(frozen=True, slots=True)
class _Sample:
    corpus: Corpus
    prompts: Ids
    tokens: Tokens
    texts: list[bytes]
    shown_tokens: Tokens
    shown: list[bytes]

    def row_of(self, prompt: int) -> int:
        return int(np.flatnonzero(self.prompts == prompt)[0])

    def senders(self, rows: IntArray) -> int:
        """How many accounts sent any of these rows of the sample."""
        return len(np.unique(self.corpus.senders[self.prompts[rows]].indices))


def _bytes(texts: pa.ChunkedArray) -> list[bytes]:
    return [text.encode() for text in texts.to_pylist()]


def _most_covered(ids: Ids, offsets: IntArray, prompts: Ids, in_core: npt.NDArray[np.bool_]) -> int:
    """Which of the prompts holds most core grams; the shorter one on a tie."""
    covered = [
        len(set(row[(row >= 0) & in_core[row]]))
        for row in (ids[offsets[p] : offsets[p + 1]] for p in prompts)
    ]
    return int(np.lexsort((offsets[prompts + 1] - offsets[prompts], -np.array(covered)))[0])


def _runs(corpus: Corpus, prompt: int, in_core: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Token ranges of a prompt, from its own first token, that core grams cover without a break in one section."""
    shingles = corpus.shingles
    places = np.arange(shingles.offsets[prompt], shingles.offsets[prompt + 1])
    origin = int(shingles.first[places[0]])
    ids = corpus.shared.ids[places]
    runs: list[tuple[int, int]] = []
    section_end = True
    for place, fixed in zip(places, (ids >= 0) & in_core[ids], strict=True):
        if fixed:
            begin, end = int(shingles.first[place]) - origin, int(shingles.last[place]) - origin
            # runs that only touch are two: between them is a slot that is empty in this prompt
            if runs and not section_end and begin < runs[-1][1]:
                runs[-1] = (runs[-1][0], max(runs[-1][1], end))
            elif end > begin:
                runs.append((begin, end))
            section_end = False
        if not shingles.joined[place]:
            section_end = True
    return runs


def _own_grams(
    corpus: Corpus, prompt: int, runs: Sequence[tuple[int, int]], in_core: npt.NDArray[np.bool_]
) -> tuple[list[tuple[int, int]], Ids]:
    """Return the runs that have grams of their own, and each gram's run (k,), -1 for none.

    Text that comes again in a template stands in it once, where it comes first.
    """
    places = slice(int(corpus.shingles.offsets[prompt]), int(corpus.shingles.offsets[prompt + 1]))
    ids, first, last = corpus.shared.ids[places], corpus.shingles.first[places], corpus.shingles.last[places]
    run_of = np.full(len(in_core), -1, dtype=np.int32)
    kept: list[tuple[int, int]] = []
    for begin, end in runs:
        inside = (ids >= 0) & in_core[ids] & (first - first[0] >= begin) & (last - first[0] <= end)
        own = ids[inside & (run_of[ids] < 0)]
        if len(own):
            run_of[own] = len(kept)
            kept.append((begin, end))
    return kept, run_of


def _anonymous(sample: _Sample, base: int, run: tuple[int, int], accounts: int) -> list[tuple[int, int]]:
    """Cut a run until every part was sent, word for word, by enough accounts of the sample."""
    begin, end = run
    wanted = sample.tokens.hashes[base + begin : base + end]
    rows = np.flatnonzero(_find(sample.tokens.hashes, sample.tokens.row_offsets, wanted) >= 0)
    if sample.senders(rows) >= accounts:
        return [run]
    middle = (begin + end) // 2
    if end - begin < 6:
        return []
    return _anonymous(sample, base, (begin, middle), accounts) + _anonymous(
        sample, base, (middle, end), accounts
    )


@njit(cache=True, nogil=True)
def _find(hashes: HashArray, offsets: IntArray, wanted: HashArray) -> IntArray:
    """Where each row holds the wanted tokens word for word, in tokens from its first; -1 for nowhere."""
    out = np.full(len(offsets) - 1, -1, dtype=np.int64)
    for row in range(len(out)):
        for begin in range(offsets[row], offsets[row + 1] - len(wanted) + 1):
            same = True
            for i in range(len(wanted)):
                if hashes[begin + i] != wanted[i]:
                    same = False
                    break
            if same:
                out[row] = begin - offsets[row]
                break
    return out


@njit(cache=True, nogil=True)
def _locate(
    ids: Ids, first: IntArray, last: IntArray, offsets: IntArray, prompts: Ids, run_of: Ids, grams: IntArray
) -> tuple[Ids, Ids]:
    """Where each run's grams begin and end in each prompt, in tokens from its first; -1 where under 70 % are held."""
    begin = np.full((len(prompts), len(grams)), -1, dtype=np.int32)
    end = np.full((len(prompts), len(grams)), -1, dtype=np.int32)
    for row in range(len(prompts)):
        places = np.arange(offsets[prompts[row]], offsets[prompts[row] + 1])
        held = np.zeros(len(grams), dtype=np.int64)
        for place in places:
            run = run_of[ids[place]] if ids[place] >= 0 else -1
            if run >= 0:
                held[run] += 1
                if begin[row, run] < 0:
                    begin[row, run] = first[place] - first[places[0]]
                end[row, run] = last[place] - first[places[0]]
        for run in range(len(grams)):
            if held[run] < 0.7 * grams[run]:
                begin[row, run] = -1
                end[row, run] = -1
    return begin, end


def _assemble(
    sample: _Sample, model: int, runs: Sequence[tuple[int, int]], run_of: Ids, accounts: int
) -> Template:
    shingles, tokens = sample.corpus.shingles, sample.tokens
    grams = np.bincount(run_of[run_of >= 0], minlength=len(runs)).astype(np.int64)
    begin, end = _locate(
        sample.corpus.shared.ids,
        shingles.first,
        shingles.last,
        shingles.offsets,
        sample.prompts,
        run_of,
        grams,
    )
    texts = sample.texts
    lengths = np.diff(tokens.row_offsets)
    parts: list[Segment | Slot] = []
    row = sample.row_of(model)
    origin = int(tokens.row_offsets[row])
    for number, (left, right) in enumerate(runs):
        before = end[:, number - 1] if number else np.zeros(len(begin), dtype=np.int32)
        slot = _slot(sample, texts, before, begin[:, number])
        if slot is not None:
            parts.append(slot)
        held = begin[:, number] >= 0
        position = float(np.mean(begin[held, number] / np.maximum(lengths[held], 1))) if held.any() else 0.0
        words = _as_sent(sample, tokens.hashes[origin + left : origin + right], accounts)
        if words is None:
            words = sample.corpus.unmask(_written(texts[row], tokens, origin + left, origin + right))
        parts.append(
            Segment(words, _place(sample, begin[:, number]), round(position, 4), round(float(held.mean()), 4))
        )
    tail = _slot(sample, texts, end[:, -1], np.where(end[:, -1] >= 0, lengths, -1))
    return Template((*parts, tail) if tail is not None else tuple(parts))


def _as_sent(sample: _Sample, wanted: HashArray, accounts: int) -> str | None:
    """Write some tokens as most accounts wrote them; None if no one spelling was sent by enough of them.

    Tokens of the shown text are paired with those of the normalised one by number, so a prompt in which a mask
    replaced several is passed over, and what came out is folded again to be sure.
    """
    begin = _find(sample.tokens.hashes, sample.tokens.row_offsets, wanted)
    paired = np.diff(sample.tokens.row_offsets) == np.diff(sample.shown_tokens.row_offsets)
    spelled: dict[str, list[int]] = {}
    for row in np.flatnonzero((begin >= 0) & paired).tolist():
        first = int(sample.shown_tokens.row_offsets[row] + begin[row])
        words = _written(sample.shown[row], sample.shown_tokens, first, first + len(wanted))
        spelled.setdefault(words, []).append(row)
    vouched = {
        words: sample.senders(np.array(rows)) for words, rows in spelled.items() if len(rows) >= accounts
    }
    if not vouched or max(vouched.values()) < accounts:
        return None
    best = min(vouched, key=lambda words: (-vouched[words], words))
    folded = sample.corpus.tokens(sample.corpus.fold(pa.array([best], pa.large_string())))
    return best if np.array_equal(folded.hashes, wanted) else None


def _written(text: bytes, tokens: Tokens, first: int, last: int) -> str:
    """Return the text of some tokens; accounts vouch for tokens only, so long runs of signs between them go."""
    out = text[tokens.starts[first] : tokens.ends[first]]
    for token in range(first + 1, last):
        between = text[tokens.ends[token - 1] : tokens.starts[token]]
        out += between if len(between.strip()) <= MOST_SIGNS else b" "
        out += text[tokens.starts[token] : tokens.ends[token]]
    return out.decode()


def _place(sample: _Sample, begin: Ids) -> Place:
    rows = np.flatnonzero(begin >= 0)
    system = sample.tokens.section[sample.tokens.row_offsets[rows] + begin[rows]] == 0
    if system.all():
        return "system"
    return "either" if system.any() else "user"


def _slot(sample: _Sample, texts: list[bytes], left: Ids, right: IntArray | Ids) -> Slot | None:
    """Describe what stands between two token positions of each member, -1 = unknown; None if nothing ever does."""
    tokens = sample.tokens
    values = []
    for row in np.flatnonzero((left >= 0) & (right > left)):
        origin = int(tokens.row_offsets[row])
        values.append(texts[row][tokens.starts[origin + left[row]] : tokens.ends[origin + right[row] - 1]])
    if len(values) < 2:
        return None
    shown = [value.decode() for value in values]
    lengths = [len(value) for value in shown]
    return Slot(
        len(set(values)), min(lengths), max(lengths), slot_kind([sample.corpus.unmask(s) for s in shown])
    )


def slot_kind(values: Sequence[str]) -> SlotKind:
    """Tell what fills a slot: numbers, code, text that is mostly not in Latin letters ("language"), or text."""
    plain = [_MASKED.sub(lambda m: "0" if m[1] in _NUMBERS else m[1], value) for value in values]
    kinds = [_kind_of(np.frombuffer(value.encode(), dtype=np.uint8)) for value in plain]
    return max(("text", "number", "code", "language"), key=kinds.count)


_MASKED = re.compile("⟨([a-z]+)⟩")
_NUMBERS = ("number", "date", "time", "timestamp")
_SYNTAX = np.isin(np.arange(256), np.frombuffer(b"{}()[];=<>_\\|&$#@/*+", dtype=np.uint8))
_DIGIT = np.isin(np.arange(256), np.frombuffer(b"0123456789.,:%-+ ", dtype=np.uint8))


def _kind_of(value: npt.NDArray[np.uint8]) -> SlotKind:
    if not len(value):
        return "text"
    if _DIGIT[value].mean() > 0.8:
        return "number"
    if (value >= 0x80).mean() > 0.4:
        return "language"
    return "code" if _SYNTAX[value].mean() > 0.05 else "text"
