"""Writes a family's template: its fixed segments and slots, in order, holding only what k accounts sent (D-067).

The member that covers most of the core gives the order; every run of its tokens that core grams cover
is a segment. Where a segment stands in the other members tells its position and what fills the slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.jit import njit
from fingerprint.base.stats import pick_evenly
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, Bytes, HashArray, Ids, IntArray
from fingerprint.discovery.shared_ngrams import SharedGrams
from fingerprint.domain.signature import Segment, SegmentPlace, Slot, Template
from fingerprint.signatures.segment_sections import sections_of
from fingerprint.signatures.slots import slot
from fingerprint.signatures.spelling import SpelledText, find, spelled, spellings
from fingerprint.text.ngrams import Shingles, Spans, spans

SAMPLE = 200
"""Members that are looked at for a template; chosen evenly, so the same batch gives the same ones."""

SAMPLE_GRAMS, LEAST_SAMPLE = 4_000_000, 8
"""Fewer are looked at where they have more n-grams together, about 25 MB of text; but at least so many, or two for each
account that must have sent what is quoted."""


class TokeniseFn(Protocol):
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
    def section(self) -> Bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Corpus:
    """What templates are written from: n prompts, their grams, who counts as their senders (n, w), and how to tokenise them.

    texts: (n,) normalised; shown: (n,) the same prompts with their own letters and case. fold makes the first
    from the second.
    """

    shingles: Shingles
    shared: SharedGrams
    texts: pa.ChunkedArray
    shown: pa.ChunkedArray
    senders: sparse.csr_matrix
    tokens: Callable[[pa.Array], TokeniseFn]
    fold: Callable[[pa.Array], pa.Array]
    unmask: Callable[[str], str]


def write_template(
    corpus: Corpus, core: Ids, members: Ids, *, accounts: int, sampled: bool = False
) -> Template:
    """Write the template of `members` (m,) int32, prompt numbers, around `core` (g,) int32, gram numbers.

    accounts: how many accounts must have sent a segment, word for word, for it to stand in the template. sampled: the
    family has more members than these.
    The template is empty if nothing meets that, or there are no members.
    """
    if not len(core) or not len(members):
        return Template(())
    chosen = pick_evenly(members, _looked_at(corpus.shingles.offsets, members, accounts))
    in_core = np.zeros(corpus.shared.postings.shape[0], dtype=np.bool_)
    in_core[core] = True
    offsets = corpus.shingles.offsets
    model = chosen[_most_covered(corpus.shared.ids, offsets, chosen, in_core)]
    sample = _Sample.of(corpus, chosen)
    runs = _runs(sample, model, in_core)
    base = int(sample.tokens.row_offsets[sample.row_of(model)])
    runs = [part for run in runs for part in _anonymous(sample, base, run, accounts)]
    runs, run_of = _own_grams(sample, model, runs, in_core)
    if not runs:
        return Template(())
    template = _assemble(sample, model, runs, run_of, accounts)
    if not sampled and len(members) == len(chosen):
        return template
    return Template(tuple(replace(p, sampled=True) if isinstance(p, Slot) else p for p in template.parts))


def _looked_at(offsets: IntArray, members: Ids, accounts: int) -> int:
    """How many members are looked at, given where each prompt's n-grams begin, (n + 1,)."""
    mean = int((offsets[members + 1] - offsets[members]).mean())
    return max(LEAST_SAMPLE, 2 * accounts, min(SAMPLE, SAMPLE_GRAMS // max(1, mean)))


@dataclass(frozen=True, slots=True)
class _Sample:
    """Some prompts of a corpus: texts and shown with their tokens, what their grams cover, and who sent them (CSR: sent_at, senders_of)."""

    corpus: Corpus
    prompts: Ids
    tokens: TokeniseFn
    spans: Spans
    texts: SpelledText
    shown: SpelledText
    sent_at: Ids
    senders_of: Ids

    @classmethod
    def of(cls, corpus: Corpus, prompts: Ids) -> _Sample:
        columns = []
        for column in (corpus.texts, corpus.shown):
            texts = column.take(pa.array(prompts))
            tokenised = corpus.tokens(texts)
            spelled_text = SpelledText(
                *buffers(texts), tokenised.row_offsets, tokenised.starts, tokenised.ends
            )
            columns.append((tokenised, spelled_text))
        (tokenised, texts), (_, shown) = columns
        senders = corpus.senders[prompts]
        covered = spans(tokenised.section, tokenised.row_offsets)
        return cls(corpus, prompts, tokenised, covered, texts, shown, senders.indptr, senders.indices)

    def row_of(self, prompt: int) -> int:
        return int(np.flatnonzero(self.prompts == prompt)[0])

    def covered_in(self, prompt: int) -> tuple[IntArray, IntArray]:
        """Where each gram of a prompt begins and ends, in tokens from the prompt's first."""
        row = self.row_of(prompt)
        grams = slice(int(self.spans.offsets[row]), int(self.spans.offsets[row + 1]))
        origin = self.tokens.row_offsets[row]
        return self.spans.first[grams] - origin, self.spans.last[grams] - origin

    def senders(self, rows: IntArray) -> int:
        """How many accounts sent any of these rows of the sample."""
        return int(_senders(self.sent_at, self.senders_of, rows))


@njit(cache=True, nogil=True)
def _senders(sent_at: Ids, senders_of: Ids, rows: IntArray) -> int:
    most = 0
    for row in rows:
        for i in range(sent_at[row], sent_at[row + 1]):
            most = max(most, senders_of[i] + 1)
    seen = np.zeros(most, np.bool_)
    count = 0
    for row in rows:
        for i in range(sent_at[row], sent_at[row + 1]):
            count += not seen[senders_of[i]]
            seen[senders_of[i]] = True
    return count


def _most_covered(ids: Ids, offsets: IntArray, prompts: Ids, in_core: Bools) -> int:
    """Which of the prompts holds most core grams; the shorter one on a tie."""
    covered = _covered(ids, offsets, prompts, in_core)
    return int(np.lexsort((offsets[prompts + 1] - offsets[prompts], -covered))[0])


@njit(cache=True, nogil=True)
def _covered(ids: Ids, offsets: IntArray, prompts: Ids, in_core: Bools) -> IntArray:
    """Count the core grams that each of the prompts holds."""
    out = np.zeros(len(prompts), np.int64)
    seen_in = np.full(len(in_core), -1, np.int32)
    for row in range(len(prompts)):
        for place in range(offsets[prompts[row]], offsets[prompts[row] + 1]):
            gram = ids[place]
            if gram >= 0 and in_core[gram] and seen_in[gram] != row:
                seen_in[gram] = row
                out[row] += 1
    return out


def _runs(sample: _Sample, prompt: int, in_core: Bools) -> list[tuple[int, int]]:
    """Token ranges of a prompt, from its own first token, that core grams cover without a break in one section."""
    shingles = sample.corpus.shingles
    places = slice(int(shingles.offsets[prompt]), int(shingles.offsets[prompt + 1]))
    ids, joined = sample.corpus.shared.ids[places], shingles.joined[places]
    first, last = sample.covered_in(prompt)
    runs: list[tuple[int, int]] = []
    section_end = True
    for place, fixed in enumerate((ids >= 0) & in_core[ids]):
        if fixed:
            begin, end = int(first[place]), int(last[place])
            # runs that only touch are two: between them is a slot that is empty in this prompt
            if runs and not section_end and begin < runs[-1][1]:
                runs[-1] = (runs[-1][0], max(runs[-1][1], end))
            elif end > begin:
                runs.append((begin, end))
            section_end = False
        if not joined[place]:
            section_end = True
    return runs


def _own_grams(
    sample: _Sample, prompt: int, runs: Sequence[tuple[int, int]], in_core: Bools
) -> tuple[list[tuple[int, int]], Ids]:
    """Return the runs that have grams of their own, and each gram's run (k,), -1 for none.

    Text that comes again in a template stands in it once, where it comes first.
    """
    offsets = sample.corpus.shingles.offsets
    ids = sample.corpus.shared.ids[int(offsets[prompt]) : int(offsets[prompt + 1])]
    first, last = sample.covered_in(prompt)
    run_of = np.full(len(in_core), -1, dtype=np.int32)
    own_runs: list[tuple[int, int]] = []
    for begin, end in runs:
        inside = (ids >= 0) & in_core[ids] & (first >= begin) & (last <= end)
        own = ids[inside & (run_of[ids] < 0)]
        if len(own):
            run_of[own] = len(own_runs)
            own_runs.append((begin, end))
    return own_runs, run_of


def _anonymous(sample: _Sample, base: int, run: tuple[int, int], accounts: int) -> list[tuple[int, int]]:
    """Cut a run until every part was sent, word for word, by enough accounts of the sample."""
    begin, end = run
    run_hashes = sample.tokens.hashes[base + begin : base + end]
    rows = np.flatnonzero(find(sample.tokens.hashes, sample.tokens.row_offsets, run_hashes) >= 0)
    if sample.senders(rows) >= accounts:
        return [run]
    middle = (begin + end) // 2
    if end - begin < 6:
        return []
    return _anonymous(sample, base, (begin, middle), accounts) + _anonymous(
        sample, base, (middle, end), accounts
    )


@njit(cache=True, nogil=True)
def _locate(
    ids: Ids,
    offsets: IntArray,
    prompts: Ids,
    covered: tuple[IntArray, IntArray, IntArray],
    run_of: Ids,
    grams: IntArray,
) -> tuple[Ids, Ids]:
    """Where each run's grams begin and end in each prompt, in tokens from its first; -1 where under 70 % are held.

    ids, offsets: of the corpus's grams. covered: the columns of the prompts' own Spans.
    """
    first, last, at = covered
    begin = np.full((len(prompts), len(grams)), -1, np.int32)
    end = np.full((len(prompts), len(grams)), -1, np.int32)
    for row in range(len(prompts)):
        start = offsets[prompts[row]]
        counts = np.zeros(len(grams), np.int64)
        for place in range(start, offsets[prompts[row] + 1]):
            run = run_of[ids[place]] if ids[place] >= 0 else -1
            if run >= 0:
                counts[run] += 1
                if begin[row, run] < 0:
                    begin[row, run] = first[at[row] + place - start] - first[at[row]]
                end[row, run] = last[at[row] + place - start] - first[at[row]]
        for run in range(len(grams)):
            if counts[run] < 0.7 * grams[run]:
                begin[row, run] = -1
                end[row, run] = -1
    return begin, end


def _assemble(
    sample: _Sample, model: int, runs: Sequence[tuple[int, int]], run_of: Ids, accounts: int
) -> Template:
    tokens, covered = sample.tokens, sample.spans
    grams = np.bincount(run_of[run_of >= 0], minlength=len(runs)).astype(np.int64)
    begin, end = _locate(
        sample.corpus.shared.ids,
        sample.corpus.shingles.offsets,
        sample.prompts,
        (covered.first, covered.last, covered.offsets),
        run_of,
        grams,
    )
    lengths = np.diff(tokens.row_offsets)
    parts: list[Segment | Slot] = []
    row = sample.row_of(model)
    origin = int(tokens.row_offsets[row])
    words = _as_sent(sample, [tokens.hashes[origin + a : origin + b] for a, b in runs], accounts)
    for number, (left, right) in enumerate(runs):
        before = end[:, number - 1] if number else np.zeros(len(begin), dtype=np.int32)
        filled = _slot(sample, before, begin[:, number])
        if filled is not None:
            parts.append(filled)
        present = begin[:, number] >= 0
        places = begin[present, number] / np.maximum(lengths[present], 1)
        position = float(np.mean(places)) if present.any() else 0.0
        text = words[number]
        if text is None:
            text = sample.corpus.unmask(spelled(sample.texts, row, origin + left, origin + right))
        parts.append(
            Segment(
                text,
                _place(sample, begin[:, number]),
                round(position, 4),
                round(float(present.mean()), 4),
                sections_of(sample.shown, *_paired(sample, begin[:, number])),
            )
        )
    tail = _slot(sample, end[:, -1], np.where(end[:, -1] >= 0, lengths, -1))
    return Template((*parts, tail) if tail is not None else tuple(parts))


def _as_sent(sample: _Sample, runs: Sequence[HashArray], accounts: int) -> list[str | None]:
    """Write runs of tokens as most accounts wrote them; None where no one spelling was sent by enough of them.

    Tokens of the shown text are paired with those of the normalised one by number, so a prompt in which a mask
    replaced several is passed over, and what came out is folded again to be sure.
    """
    best = [_best_spelling(sample, run, accounts) for run in runs]
    folded = sample.corpus.tokens(sample.corpus.fold(pa.array([b or "" for b in best], pa.large_string())))
    at = folded.row_offsets
    return [
        text if text is not None and np.array_equal(folded.hashes[at[n] : at[n + 1]], runs[n]) else None
        for n, text in enumerate(best)
    ]


def _paired(sample: _Sample, begin: Ids | IntArray) -> tuple[IntArray, IntArray]:
    """Return the rows that have a run where both texts have the same tokens, and its first token in the shown one."""
    same = np.diff(sample.tokens.row_offsets) == np.diff(sample.shown.row_offsets)
    rows = np.flatnonzero((begin >= 0) & same)
    return rows, sample.shown.row_offsets[rows] + begin[rows]


def _best_spelling(sample: _Sample, run: HashArray, accounts: int) -> str | None:
    rows, first = _paired(sample, find(sample.tokens.hashes, sample.tokens.row_offsets, run))
    group = spellings(sample.shown, rows, first, len(run))
    often = np.flatnonzero(np.bincount(group) >= accounts) if len(group) else group
    vouched = {int(g): sample.senders(rows[group == g]) for g in often}
    most = max(vouched.values(), default=0)
    if most < accounts:
        return None
    ones = [int(np.flatnonzero(group == g)[0]) for g, count in vouched.items() if count == most]
    return min(spelled(sample.shown, rows[n], first[n], first[n] + len(run)) for n in ones)


def _place(sample: _Sample, begin: Ids) -> SegmentPlace:
    rows = np.flatnonzero(begin >= 0)
    system = sample.tokens.section[sample.tokens.row_offsets[rows] + begin[rows]] == 0
    if system.all():
        return "system"
    return "either" if system.any() else "user"


def _slot(sample: _Sample, left: Ids, right: IntArray | Ids) -> Slot | None:
    """Describe what stands between two token positions of each member, -1 = unknown; None if nothing ever does."""
    texts, rows = sample.texts, np.flatnonzero((left >= 0) & (right > left))
    origin, at = texts.row_offsets[rows], texts.text_at[rows]
    begins = at + texts.starts[origin + left[rows]]
    return slot(texts.data, begins, at + texts.ends[origin + right[rows] - 1], sample.corpus.unmask)
