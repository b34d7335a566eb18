"""Rows of accounts, campaigns and nights as the records that lists show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from fingerprint import signature as codec
from fingerprint.records import AccountRow, CampaignRow, FamilyRow, IngestReport, NightReport


def account(row: sa.Row[Any]) -> AccountRow:
    """Read an assessed account."""
    return AccountRow(
        account_id=row.account_id,
        score=row.score,
        flagged=row.flagged,
        requests=row.requests,
        families=tuple(row.families),
        evidence=codec.reasons_from_json(row.evidence),
        departure=row.departure,
        departure_q=row.departure_q,
        departure_rank=row.departure_rank,
        departed=row.departed,
    )


def campaign(row: sa.Row[Any], families: list[FamilyRow], pool_of: Mapping[str, int]) -> CampaignRow:
    """Put a campaign together from its own row, its families and how many accounts it has."""
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
    )


def night(row: sa.Row[Any]) -> NightReport:
    """Read a night."""
    return NightReport(
        batch_id=row.batch_id,
        ingest=IngestReport(
            rows_read=row.rows_read,
            accepted=row.accepted,
            rejected=row.rejected,
            duplicates=row.duplicates,
            reasons=row.reject_reasons,
            rejects_path=row.rejects_path,
        ),
        started=row.started,
        seconds=row.seconds,
        distinct_prompts=row.distinct_prompts,
        families=row.families,
        new_families=row.new_families,
        flagged=row.flagged,
        assigned=row.assigned,
    )
