"""What a night says of campaigns, of accounts, and of what became of families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fingerprint.assessment.campaigns import AllNights, accounts, campaigns
from fingerprint.assessment.departures import AccountFeatures, with_departures
from fingerprint.assessment.lifecycle import events
from fingerprint.assessment.turn_taking import with_turn_takers
from fingerprint.domain.rows import AccountRow, CampaignRow, Event
from fingerprint.domain.signature import Signature
from fingerprint.signatures.rewordings import NightFamilies


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows to store of a night, beside its signatures."""

    campaigns: list[CampaignRow]
    accounts: list[AccountRow]
    events: list[Event]


def group_campaigns(
    signatures: Sequence[Signature],
    families: NightFamilies,
    history: AllNights,
    features: AccountFeatures,
    *,
    end: float,
) -> Outcome:
    """Group flagged families into campaigns, score accounts, and tell what became of families.

    signatures: as they were assessed, in the order of the families. features: of all nights. end: the time of the
    night's last request (Unix time).
    """
    assessed = accounts(signatures, history.pool, history.accounts, history.totals)
    return Outcome(
        campaigns=campaigns(signatures, history.pool, len(history.totals)),
        accounts=[
            replace(
                row, requests=history.requests.get(row.account_id, row.requests), conversations=row.requests
            )
            for row in with_turn_takers(
                with_departures(assessed, features, history.totals), features, history.totals
            )
        ],
        events=events(
            signatures,
            families.born,
            families.joined,
            families.behaviour.requests,
            history.pool,
            datetime.fromtimestamp(end, UTC),
        ),
    )
