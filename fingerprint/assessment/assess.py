"""Scores the families of a night: measures their statistics, weighs them, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.assessment.earlier_evidence import Since, with_earlier_evidence
from fingerprint.assessment.family_statistics import measure
from fingerprint.assessment.features import SCORE_FEATURES, Features
from fingerprint.assessment.flagging import flag_threshold
from fingerprint.assessment.outsiders import insiders, without
from fingerprint.assessment.verdict import verdict
from fingerprint.assessment.weights import fitted_weights
from fingerprint.base.types import Embed, Ids, IntArray, TextsOfPrompts
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.families import members_of
from fingerprint.domain.signature import Reason, Signature
from fingerprint.evidence.filling_sample import FillingSample, filling_sample
from fingerprint.evidence.history import history_of
from fingerprint.evidence.intents import Intent, IntentLikeness, intent_likeness
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.slot_fillings import Fillings
from fingerprint.signatures.rewordings import NightFamilies

OUTSIDERS = "judged without {accounts} accounts that send another flagged family together"
"""What is told of a family whose other accounts are judged by themselves."""


@dataclass(frozen=True, slots=True)
class EarlierNights:
    """What accounts sent on other nights: of families (FAMILY_ACCOUNTS_SCHEMA), and in all (ACCOUNT_TOTALS_SCHEMA)."""

    families: pa.Table
    accounts: pa.Table


@dataclass(frozen=True, slots=True)
class Meanings:
    """What families are about, as vectors: a sample of their fillings, and their templates beside known intents."""

    sample: FillingSample
    intents: IntentLikeness


def meanings(
    batch: Batch,
    night: NightFamilies,
    texts: TextsOfPrompts,
    sizes: IntArray | Ids,
    intents: Sequence[Intent],
    embed: Embed,
) -> Meanings:
    """Embed what some requests of each family are filled with; texts: of distinct prompts by their ascending numbers.

    sizes: (n,) bytes of each.
    """
    grams = [s.grams for s in night.signatures]
    rows = requests_of(batch, night)
    return Meanings(
        sample=filling_sample(rows, batch.account, batch.prompt, grams, texts, sizes, embed),
        intents=intent_likeness(intents, [s.prototypes for s in night.signatures], embed),
    )


def assess(
    batch: Batch,
    night: NightFamilies,
    fillings: Fillings,
    meanings: Meanings,
    earlier: EarlierNights,
    stored: Sequence[Signature],
    features: Features = SCORE_FEATURES,
    *,
    precision: float,
    since: Since = Since.BEFORE,
) -> list[Signature]:
    """Return the night's signatures, those of families seen tonight with a new score, flag and reasons.

    fillings: what each distinct prompt of the batch is filled with; meanings: what some are about. stored: signatures before the night; their labels
    move the weights, and their reasons count where a family sent little tonight. precision: of the flags (`flagging`).
    since: what the stored reasons are of.
    """
    flag_from = flag_threshold(precision)
    data = observations(batch, night, fillings, meanings, earlier)
    last_reasons = {s.family_id: s.reasons for s in stored}
    signatures = list(night.signatures)
    weights = fitted_weights(stored, features)

    def judged(seen: Observations, families: IntArray) -> list[tuple[float, tuple[Reason, ...]]]:
        last = [last_reasons.get(s.family_id, ()) for s in signatures]
        statistics = with_earlier_evidence(measure(seen, features), last, since)
        return [
            verdict(statistics, f, weights, label=signatures[f].label, earlier=last[f], since=since)
            for f in families.tolist()
        ]

    tonight = np.flatnonzero(night.behaviour.requests)
    for f, (score, reasons) in zip(tonight.tolist(), judged(data, tonight), strict=True):
        signatures[f] = replace(signatures[f], score=score, flagged=score >= flag_from, reasons=reasons)
    left_out = insiders(data.pool, np.array([s.flagged for s in signatures], dtype=np.bool_))
    unlabelled = np.array([s.label is None for s in signatures], dtype=np.bool_)
    mixed = np.flatnonzero(unlabelled & (np.diff(left_out.indptr) > 0))
    if len(mixed):
        for f, (score, reasons) in zip(mixed.tolist(), judged(without(data, left_out), mixed), strict=True):
            if score < signatures[f].score:
                words = OUTSIDERS.format(accounts=left_out[f].nnz)
                reasons = (*reasons, Reason("outsiders", 0.0, 0.0, words))
                signatures[f] = replace(
                    signatures[f], score=score, flagged=score >= flag_from, reasons=reasons
                )
    return signatures


def requests_of(batch: Batch, night: NightFamilies) -> sparse.csr_matrix:
    """Return (f, r) CSR of ones, the requests of each of the night's families."""
    return (members_of(night.label, len(night.signatures)) @ batch.conversations()).tocsr()


def observations(
    batch: Batch, night: NightFamilies, fillings: Fillings, meanings: Meanings, earlier: EarlierNights
) -> Observations:
    """Gather what statistics may look at; families are the night's signatures, in their order."""
    names = [s.family_id for s in night.signatures]
    return Observations(
        account=batch.account,
        second=batch.second,
        prompt=batch.prompt,
        metadata=batch.metadata,
        rows=requests_of(batch, night),
        shares_text=np.array([s.kind == "template" for s in night.signatures], dtype=np.bool_),
        behaviour=night.behaviour,
        history=history_of(names, batch.accounts, spread=earlier.families, activity=earlier.accounts),
        fillings=fillings,
        sample=meanings.sample,
        intents=meanings.intents,
        facts=batch.facts,
        carrier=night.carrier,
    )
