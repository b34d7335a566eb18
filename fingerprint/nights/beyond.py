"""Gives families that are found only where a large night is looked at closely their prompts in the rest of it, too.

Markers inside carriers, frames and what earlier nights left are found after the rounds of samples, and so are reworded
families. What shares their text beyond the sample is claimed by one more pass over the night; what says what a reworded
family says, by its sentences, of a bounded number of prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fingerprint.base.types import Bools, Embed, FloatArray, HashArray, Ids, IntArray
from fingerprint.discovery.assignment import Assignment, Whole
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.families import COVER
from fingerprint.discovery.reworded import most_said
from fingerprint.discovery.sentence_groups import read_prose, read_sentences
from fingerprint.discovery.topics import Topics
from fingerprint.domain.signature import Signature
from fingerprint.nights.claims import Claims, core_table
from fingerprint.nights.job import Job
from fingerprint.nights.spool import Spool, claim, claims_from_arrays, claims_to_arrays
from fingerprint.signatures.wordings import centres_of

MOST_READ = 65_536
"""Prompts beyond the sample whose sentences are read: first those of accounts that send a reworded family in it."""

AT_ONCE = 8_192
"""Prompts whose sentences are in memory together."""


def by_text(spool: Spool, whole: Whole, discovery: Discovery, job: Job) -> Whole:
    """Give prompts outside the sample to families as the sample's were given after the rounds.

    A family that took prompts from another one, or from none, takes those from there that hold its text; of several
    families the longest.
    """
    before = whole.assignment.label
    moved = np.flatnonzero(discovery.label != before[whole.sampled])
    moved = moved[discovery.label[moved] >= 0]
    if not len(moved):
        return whole
    steps = np.unique(np.stack([before[whole.sampled[moved]], discovery.label[moved]]), axis=1)
    takers, taker = np.unique(steps[1], return_inverse=True)
    core, size = discovery.families.core, discovery.families.size[takers]
    grams = [discovery.shared.hashes[core.indices[core.indptr[f] : core.indptr[f + 1]]] for f in takers]
    asked = np.isin(before, steps[0])
    asked[whole.sampled] = False
    claims = _claims(spool, [np.sort(own) for own in grams], asked, job)
    job.tell("describe", 0, None)
    width = len(takers)
    allowed = np.isin(
        before[claims.prompt].astype(np.int64) * width + claims.family, steps[0] * width + taker
    )
    claims = claims.only(allowed)
    order = np.argsort(size[claims.family], kind="stable")  # the longest is written last
    prompt, family = claims.prompt[order], claims.family[order]
    label, strength = before.copy(), whole.assignment.strength.copy()
    label[prompt] = takers[family]
    strength[prompt] = claims.grams[order] / size[family]
    return replace(whole, assignment=Assignment(label, strength))


def _claims(spool: Spool, grams: Sequence[HashArray], asked: Bools, job: Job) -> Claims:
    """Return which prompts of `asked` (n,) hold these cores, from an earlier process where it came so far."""
    if not job.work.has("beyond"):
        claims = claim(
            spool,
            core_table(grams),
            asked,
            share=COVER,
            engine=job.engine,
            on_progress=lambda done: job.tell("claim rest", done, spool.prompts),
        )
        job.work.finish("beyond", {}, **claims_to_arrays(claims))
    return claims_from_arrays(job.work.arrays("beyond"))


def by_meaning(
    night: Batch,
    whole: Whole,
    discovery: Discovery,
    topical: Topics,
    stored: Sequence[Signature],
    embed: Embed,
) -> Whole:
    """Give prompts outside the sample to the reworded families that it has, if they are in no family; night: all requests.

    Nor in one that lost all of its prompts in the sample to these.
    """
    families, centres = _reworded(len(discovery.families), topical, stored)
    if not len(families):
        return whole
    free = np.isin(whole.assignment.label, _given_up(whole, topical))
    free[whole.sampled] = False
    own = whole.sampled[np.isin(topical.assignment.label, families)]
    chosen = _likeliest(night, np.flatnonzero(free), own)
    label = np.full(len(chosen), -1, dtype=np.int32)
    for begin in range(0, len(chosen), AT_ONCE):
        said = read_sentences(read_prose(whole.texts, chosen[begin : begin + AT_ONCE]), embed)
        label[np.searchsorted(chosen, said.prompts)] = most_said(said, centres)
    found = np.flatnonzero(label >= 0)
    return replace(
        whole, assignment=whole.assignment.with_prompts(chosen[found], families[label[found]], strength=1.0)
    )


def _given_up(whole: Whole, topical: Topics) -> IntArray:
    """Return the labels of prompts that are in no family, or in one of which the sample has no prompt left."""
    before, after = whole.assignment.label[whole.sampled], topical.assignment.label
    return np.append(np.setdiff1d(before, after), -1)


def _reworded(first: int, topical: Topics, stored: Sequence[Signature]) -> tuple[IntArray, list[FloatArray]]:
    """Return the rows of a sample's reworded families, and what each says; first: the first topic's row."""
    rows, centres = [], []
    for row, (known, said) in enumerate(zip(topical.known.tolist(), topical.wordings, strict=True), first):
        if said:
            rows.append(row)
            centres.append(centres_of(said))
        elif known >= 0 and stored[known].kind == "reworded":
            rows.append(row)
            centres.append(stored[known].prototypes)
    return np.array(rows, dtype=np.int64), centres


def _likeliest(night: Batch, free: IntArray, own: IntArray) -> IntArray:
    """Return at most MOST_READ of some prompts (m,), ascending: those that the senders of others (p,) sent, then any."""
    if len(free) <= MOST_READ:
        return free
    senders: Ids = night.account[np.isin(night.prompt, own)]
    sent = np.zeros(night.distinct, dtype=np.bool_)
    sent[night.prompt[np.isin(night.account, senders)]] = True
    first = np.argsort(~sent[free], kind="stable")[:MOST_READ]
    return np.sort(free[first])
