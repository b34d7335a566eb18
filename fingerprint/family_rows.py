"""A family as a row of the table `families`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from fingerprint import signature as codec
from fingerprint.arrow_sql import Row, chunks
from fingerprint.records import FamilyRow, Signature, Spread
from fingerprint.tables import families, labels

_latest_ids = sa.select(sa.func.max(labels.c.id)).group_by(labels.c.family_id)
_latest = sa.select(labels).where(labels.c.id.in_(_latest_ids)).subquery("latest")

LABEL = _latest.c.label
"""The latest word of an analyst."""

CAMPAIGN = sa.case(
    (LABEL == "benign", sa.null()),
    (LABEL.is_not(None), sa.func.coalesce(_latest.c.campaign_id, families.c.campaign_id)),
    else_=families.c.campaign_id,
)
"""The campaign an analyst put the family in, otherwise the one the nights found."""


ACTIVE = sa.and_(families.c.retired_in.is_(None), ~families.c.withdrawn)
"""Families that are listed and matched, wordings of others among them."""

OWNER = sa.func.coalesce(families.c.variant_of, families.c.family_id)
"""The family that a row's requests count for."""


def select_families(*columns: sa.ColumnElement[Any] | sa.Table) -> sa.Select[Any]:
    """Select columns of families, with their LABEL and CAMPAIGN, as `label` and `campaign`, beside them."""
    return sa.select(*columns, LABEL, CAMPAIGN.label("campaign")).select_from(
        families.outerjoin(_latest, _latest.c.family_id == families.c.family_id)
    )


def signatures_of(connection: sa.Connection, family_ids: Sequence[str]) -> list[Signature]:
    """Read the signatures of those of these families that are stored, retired ones too."""
    return [
        to_signature(row)
        for chunk in chunks(family_ids)
        for row in connection.execute(select_families(families).where(families.c.family_id.in_(chunk)))
    ]


def to_row(signature: Signature) -> Row:
    """Turn a signature into the columns that it alone decides (label, campaign and times of writing are not)."""
    found = signature.spread
    return {
        "family_id": signature.family_id,
        "kind": signature.kind,
        "variant_of": signature.variant_of,
        "version": int(signature.version),
        "score": float(signature.score),
        "flagged": bool(signature.flagged),
        "accounts": int(found.accounts),
        "requests": int(found.requests),
        "first_seen": found.first_seen,
        "last_seen": found.last_seen,
        "per_day": codec.per_day_to_json(found.per_day),
        # PostgreSQL's text takes no NUL; only lists show this column
        "text": (text := str(signature.template).replace("\0", "\N{REPLACEMENT CHARACTER}")),
        "search": f"{signature.family_id} {text}".casefold(),
        "template": codec.template_to_json(signature.template),
        "reasons": codec.reasons_to_json(signature.reasons),
        "threshold": float(signature.threshold),
        "similarity": float(signature.similarity),
        "usual": float(signature.usual),
        "seen": int(signature.seen),
        "strays": int(signature.strays),
        "grams": np.asarray(signature.grams, dtype="<u8").tobytes(),
        "weights": np.asarray(signature.weights, dtype="<f4").tobytes(),
        "prototypes": np.asarray(signature.prototypes, dtype="<f4").tobytes(),
        "stamp": codec.stamp_to_json(signature.stamp),
    }


def to_signature(row: sa.Row[Any]) -> Signature:
    """Turn a row of `families` with `label` and `campaign` beside it into the signature it holds."""
    stamp = codec.stamp_from_json(row.stamp)
    prototypes = np.frombuffer(row.prototypes, dtype="<f4").astype(np.float32, copy=False)
    return Signature(
        family_id=row.family_id,
        kind=row.kind,
        template=codec.template_from_json(row.template),
        grams=np.frombuffer(row.grams, dtype="<u8").astype(np.uint64, copy=False),
        weights=np.frombuffer(row.weights, dtype="<f4").astype(np.float32, copy=False),
        prototypes=prototypes.reshape(-1, stamp.dimension),
        threshold=row.threshold,
        similarity=row.similarity,
        usual=row.usual,
        seen=row.seen,
        strays=row.strays,
        spread=Spread(
            accounts=row.accounts,
            requests=row.requests,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            per_day=codec.per_day_from_json(row.per_day),
        ),
        stamp=stamp,
        version=row.version,
        score=row.score,
        flagged=row.flagged,
        reasons=codec.reasons_from_json(row.reasons),
        label=row.label,
        campaign_id=row.campaign,
        variant_of=row.variant_of,
    )


def to_listed(row: sa.Row[Any]) -> FamilyRow:
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
    )
