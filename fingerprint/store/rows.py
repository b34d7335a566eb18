"""Rows of the database as records of the domain: families, accounts, campaigns and nights; and signatures as rows.

In this order: what a row of `families` is selected by; signatures; what lists show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from fingerprint.domain import profile, signature_json
from fingerprint.domain.expected_precision import expected_precision
from fingerprint.domain.results import IngestReport, NightReport, TrafficWarning
from fingerprint.domain.rows import AccountRow, CampaignRow, FamilyRow
from fingerprint.domain.signature import Signature, Spread
from fingerprint.domain.vocabulary import BENIGN, RELAY
from fingerprint.domain.word_pairs import made_name
from fingerprint.store.sql import Row, chunks
from fingerprint.store.tables import families, labels

_latest_ids = sa.select(sa.func.max(labels.c.id)).group_by(labels.c.family_id)
_latest = sa.select(labels).where(labels.c.id.in_(_latest_ids)).subquery("latest")

LABEL = _latest.c.label
"""The latest word of an analyst."""

CAMPAIGN = sa.case(
    (LABEL.in_([BENIGN, RELAY]), sa.null()),
    (LABEL.is_not(None), sa.func.coalesce(_latest.c.campaign_id, families.c.campaign_id)),
    else_=families.c.campaign_id,
)
"""The campaign an analyst put the family in, otherwise the one the nights found."""

ACTIVE = sa.and_(families.c.retired_in.is_(None), ~families.c.withdrawn)
"""Families that prompts are matched against, other wordings of a family among them."""

LISTED = sa.and_(ACTIVE, families.c.variant_of.is_(None))
"""Families that lists show."""

OWNER = sa.func.coalesce(families.c.variant_of, families.c.family_id)
"""The family that a row's requests count for."""


def select_families(*columns: sa.ColumnElement[Any] | sa.Table) -> sa.Select[Any]:
    """Select columns of families, with their LABEL and CAMPAIGN, as `label` and `campaign`, beside them."""
    return sa.select(*columns, LABEL, CAMPAIGN.label("campaign")).select_from(
        families.outerjoin(_latest, _latest.c.family_id == families.c.family_id)
    )


def to_row(signature: Signature) -> Row:
    """Turn a signature into the columns that it alone decides (label, campaign and times of writing are not)."""
    spread = signature.spread
    return {
        "family_id": signature.family_id,
        "kind": signature.kind,
        "variant_of": signature.variant_of,
        "version": int(signature.version),
        "score": float(signature.score),
        "flagged": bool(signature.flagged),
        "accounts": int(spread.accounts),
        "requests": int(spread.requests),
        "conversations": int(spread.conversations),
        "first_seen": spread.first_seen,
        "last_seen": spread.last_seen,
        "per_day": signature_json.per_day_to_json(spread.per_day),
        # PostgreSQL's text takes no NUL; only lists show this column
        "text": (text := str(signature.template).replace("\0", "\N{REPLACEMENT CHARACTER}")),
        "search": f"{signature.family_id} {text}".casefold(),
        "template": signature_json.template_to_json(signature.template),
        "reasons": signature_json.reasons_to_json(signature.reasons),
        "threshold": float(signature.threshold),
        "similarity": float(signature.similarity),
        "usual": float(signature.typical_similarity),
        "words": float(signature.word_similarity),
        "seen": int(signature.requests_seen),
        "strays": int(signature.unsynchronised),
        "grams": np.asarray(signature.grams, dtype="<u8").tobytes(),
        "weights": np.asarray(signature.weights, dtype="<f4").tobytes(),
        "prototypes": np.asarray(signature.prototypes, dtype="<f4").tobytes(),
        "stamp": signature_json.stamp_to_json(signature.stamp),
        "profile": profile.to_json(signature.profile),
    }


def to_signature(row: sa.Row[Any]) -> Signature:
    """Turn a row of `families` with `label` and `campaign` beside it into the signature it holds."""
    stamp = signature_json.stamp_from_json(row.stamp)
    prototypes = np.frombuffer(row.prototypes, dtype="<f4").astype(np.float32, copy=False)
    return Signature(
        family_id=row.family_id,
        kind=row.kind,
        template=signature_json.template_from_json(row.template),
        grams=np.frombuffer(row.grams, dtype="<u8").astype(np.uint64, copy=False),
        weights=np.frombuffer(row.weights, dtype="<f4").astype(np.float32, copy=False),
        prototypes=prototypes.reshape(-1, stamp.dimension),
        threshold=row.threshold,
        similarity=row.similarity,
        typical_similarity=row.usual,
        word_similarity=row.words,
        requests_seen=row.seen,
        unsynchronised=row.strays,
        spread=Spread(
            accounts=row.accounts,
            requests=row.requests,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            per_day=signature_json.per_day_from_json(row.per_day),
            conversations=row.conversations,
        ),
        stamp=stamp,
        version=row.version,
        score=row.score,
        flagged=row.flagged,
        reasons=signature_json.reasons_from_json(row.reasons),
        label=row.label,
        campaign_id=row.campaign,
        variant_of=row.variant_of,
        profile=profile.from_json(row.profile),
    )


def signatures_of(connection: sa.Connection, family_ids: Sequence[str]) -> list[Signature]:
    """Read the signatures of those of these families that are stored, retired ones too."""
    return [
        to_signature(row)
        for chunk in chunks(family_ids)
        for row in connection.execute(select_families(families).where(families.c.family_id.in_(chunk)))
    ]


def to_family(row: sa.Row[Any]) -> FamilyRow:
    """Turn a row of `families` with `label` and `campaign` beside it into what lists show of it."""
    return FamilyRow(
        family_id=row.family_id,
        kind=row.kind,
        score=row.score,
        flagged=row.flagged,
        label=row.label,
        campaign_id=row.campaign,
        accounts=row.accounts,
        requests=row.requests,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        version=row.version,
        template=row.text,
        conversations=row.conversations,
        precision=expected_precision(row.score),
    )


def to_account(row: sa.Row[Any]) -> AccountRow:
    """Turn a row of `accounts` into an assessed account."""
    return AccountRow(
        account_id=row.account_id,
        score=row.score,
        flagged=row.flagged,
        requests=row.requests,
        families=tuple(row.families),
        evidence=signature_json.reasons_from_json(row.evidence),
        departure=row.departure,
        departure_q=row.departure_q,
        departure_rank=row.departure_rank,
        departed=row.departed,
        relay=row.relay,
        conversations=row.conversations,
    )


def to_campaign(row: sa.Row[Any], families: list[FamilyRow], pool_of: Mapping[str, int]) -> CampaignRow:
    """Turn a row of `campaigns` into a campaign; pool_of: how many accounts each campaign has, by its id."""
    families.sort(key=lambda family: (-family.requests, family.family_id))
    return CampaignRow(
        campaign_id=row.campaign_id,
        label=row.label,
        score=row.score,
        flagged=row.flagged,
        families=tuple(family.family_id for family in families),
        # imported families bring their numbers, not their accounts
        accounts=pool_of.get(row.campaign_id, max(family.accounts for family in families)),
        requests=sum(family.requests for family in families),
        first_seen=min(family.first_seen for family in families),
        last_seen=max(family.last_seen for family in families),
        templates=tuple(family.template for family in families),
        conversations=sum(family.conversations for family in families),
        name=row.name or made_name(row.campaign_id),
        precision=expected_precision(row.score),
    )


def to_night(row: sa.Row[Any]) -> NightReport:
    """Turn a row of `nights` into the report of that night."""
    return NightReport(
        batch_id=row.batch_id,
        ingest=IngestReport(
            rows_read=row.rows_read,
            accepted=row.accepted,
            rejected=row.rejected,
            duplicates=row.duplicates,
            reasons=row.reject_reasons,
            rejects_path=row.rejects_path,
            left_out=row.left_out,
            warnings=tuple(TrafficWarning(**warning) for warning in row.warnings),
        ),
        started=row.started,
        seconds=row.seconds,
        distinct_prompts=row.distinct_prompts,
        families=row.families,
        new_families=row.new_families,
        flagged=row.flagged,
        assigned=row.assigned,
        conversations=row.conversations,
        expected_false_flags=row.expected_false_flags,
        first_request=row.first_request,
        last_request=row.last_request,
        accounts=row.accounts,
        newly_flagged=row.newly_flagged,
        cpu_seconds=row.cpu_seconds,
        peak_memory=row.peak_memory,
        home_bytes=row.home_bytes,
    )
