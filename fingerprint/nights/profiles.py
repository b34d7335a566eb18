"""What the requests of a night's families are like beside their text, in shares that tell of no single account.

A value is named only if as many accounts of the family sent it as text needs to be shown; all others are one share.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from fingerprint.base.distinct import distinct_rows
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Ids, IntArray
from fingerprint.domain.profile import NO_TOOLS, NOT_STATED, OTHER, Profile, Share, largest
from fingerprint.domain.signature import Signature
from fingerprint.nights.night import Night
from fingerprint.text.languages import language_of

MOST_NAMED = 5
"""Values of a kind that are named, those of the largest shares."""

SAMPLE, FEWEST = 24, 4
"""Prompts of a family whose language is told, and how many even in a night of very many families."""

MOST_TEXTS = 20_000
"""Prompts of a night whose language is told."""

_NAME = 80


def with_profiles(
    night: Night, signatures: Sequence[Signature], family_of: Ids, min_accounts: int
) -> list[Signature]:
    """Give the signatures of families that were sent tonight what their conversations are like.

    signatures: (s,), the night's families first. family_of: (r,) int32, the row of each conversation's family, -1 = none.
    min_accounts: that sent a value which is named.
    """
    rows = np.flatnonzero(family_of >= 0)
    facts, family, account = night.batch.facts, family_of[rows], night.batch.account[rows]
    tally = _Tally(family, account, min_accounts)
    models = tally.shares(facts.values("model")[rows], _names(facts.distinct, "model"), NOT_STATED)
    tools = tally.shares(facts.values("tools")[rows], _names(facts.distinct, "tools"), NO_TOOLS)
    sets = _different(family, facts.values("tools")[rows])
    languages = _languages(night, family_of, min_accounts)
    out = list(signatures)
    for number, conversations in tally.conversations.items():
        profile = Profile(
            conversations,
            models=models.get(number, ()),
            languages=languages.get(number, ()),
            tools=tools.get(number, ()),
            tool_sets=sets.get(number, 0),
        )
        out[number] = replace(signatures[number], profile=profile)
    return out


class _Tally:
    """Shares of values by family: family, account: (m,), of the same conversations or prompts."""

    def __init__(self, family: Ids, account: Ids, min_accounts: int) -> None:
        self._family, self._account, self._min_accounts = family, account, min_accounts
        numbers, counts = np.unique(family, return_counts=True)
        self.conversations = dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def shares(self, value: Ids, names: Sequence[str], without: str | None) -> dict[int, tuple[Share, ...]]:
        """Return the shares of values by family; nothing where no value is stated at all.

        value: (m,) numbers of `names`, -1 for none, which counts under the name `without`, or not at all if that is None.
        """
        if not len(names):
            return {}
        stated = np.arange(len(value)) if without is not None else np.flatnonzero(value >= 0)
        senders, _, count = distinct_rows(self._family[stated], value[stated], self._account[stated])
        values, at, accounts = distinct_rows(senders[0], senders[1])
        count_of = np.bincount(at, weights=count, minlength=len(accounts))
        whole = dict.fromkeys(self.conversations, 0.0)
        for number, n in zip(values[0].tolist(), count_of.tolist(), strict=True):
            whole[number] += n
        found: dict[int, list[Share]] = {}
        for number, v, n, a in zip(*values.tolist(), count_of.tolist(), accounts.tolist(), strict=True):
            name = names[v] if v >= 0 else without or ""
            named = v < 0 or a >= self._min_accounts
            found.setdefault(number, []).append(Share(name if named else OTHER, n / whole[number]))
        return {number: _rounded(largest(shares, MOST_NAMED)) for number, shares in found.items()}


def _rounded(shares: Sequence[Share]) -> tuple[Share, ...]:
    return tuple(Share(s.name, round(s.share, 4)) for s in shares)


def _names(distinct: pa.Table, name: str) -> list[str]:
    """Return the names of the numbers that `RequestFacts.values` gives a fact's values."""
    dictionary = distinct.column(name).combine_chunks().dictionary_encode().dictionary
    return [f"{v:016x}" if isinstance(v, int) else _printable(v) for v in dictionary.to_pylist()]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:_NAME]).strip() or NOT_STATED


def _different(family: Ids, value: Ids) -> dict[int, int]:
    """Count the different values of each family, but for -1."""
    stated = value >= 0
    pairs, _, _ = distinct_rows(family[stated], value[stated])
    numbers, counts = np.unique(pairs[0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _languages(night: Night, family_of: Ids, min_accounts: int) -> dict[int, tuple[Share, ...]]:
    """Tell the languages of some prompts of each family."""
    chosen = _some_conversations(family_of, night.batch.prompt)
    prompts, place = np.unique(night.batch.prompt[chosen], return_inverse=True)
    told = [language_of(str(text)) for text in night.texts(prompts.astype(np.int64))] if len(prompts) else []
    names = sorted({language for language in told if language is not None})
    number = {name: n for n, name in enumerate(names)}
    value = np.array([-1 if t is None else number[t] for t in told], dtype=np.int32)[place]
    tally = _Tally(family_of[chosen], night.batch.account[chosen], min_accounts)
    return tally.shares(value, names, None)


def _some_conversations(family_of: Ids, prompt: Ids) -> IntArray:
    """Choose conversations of each family, (c,), evenly and of different prompts."""
    rows = np.flatnonzero(family_of >= 0)
    key = family_of[rows].astype(np.int64) * (int(prompt.max(initial=0)) + 1) + prompt[rows]
    _, first = np.unique(key, return_index=True)
    rows = rows[first]  # in the order of families
    begin = np.flatnonzero(np.diff(family_of[rows], prepend=-1, append=-1))
    families = len(begin) - 1
    most = max(FEWEST, min(SAMPLE, MOST_TEXTS // max(families, 1)))
    some = [pick_evenly(rows[a:b], most) for a, b in itertools.pairwise(begin.tolist())]
    return np.concatenate([*some, np.empty(0, np.int64)]).astype(np.int64)
