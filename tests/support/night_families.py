"""The families of a batch in memory: the steps of a night after discovery, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from fingerprint.base.types import Embed
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.layers import carriers_of
from fingerprint.discovery.topics import topics
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Stamp
from fingerprint.signatures.adoption import adopt
from fingerprint.signatures.describe import describe, text_families
from fingerprint.signatures.rewordings import NightFamilies, common_words, rewordings


def families_of(
    batch: Batch,
    discovery: Discovery,
    stored: Sequence[Signature],
    embed: Embed,
    stamp: Stamp,
    settings: Settings,
) -> NightFamilies:
    continued = discovery.continued(stored)
    carrier = carriers_of(batch, discovery, settings)
    assignment = adopt(batch, batch.texts_of, continued, discovery.assignment, embed, carrier)
    topical = topics(batch, discovery, assignment, stored, embed, settings)
    textual = text_families(batch, discovery, stored, stamp, settings)
    described = describe(batch, discovery, textual, topical, stored, embed, stamp, settings)
    return rewordings(described, batch, batch.texts_of, common=common_words(batch), embed=embed)
