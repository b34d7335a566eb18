"""Makes the morning report of a night from what is stored."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import sqlalchemy as sa

from fingerprint.assessment.campaign_names import family_name
from fingerprint.casework import night_traffic
from fingerprint.casework.night_choice import number_of, warnings_of
from fingerprint.casework.night_traffic import NightSent
from fingerprint.domain.expected_precision import expected_precision
from fingerprint.domain.morning_report import (
    Listed,
    MorningReport,
    NightVolume,
    Pivot,
    ReportedAccount,
    ReportedCampaign,
    ReportedFamily,
)
from fingerprint.domain.results import NightReport
from fingerprint.domain.settings import Home
from fingerprint.domain.signature import Signature
from fingerprint.domain.verdict_line import verdict_line
from fingerprint.store.home_size import home_sizes
from fingerprint.store.rows import signatures_of
from fingerprint.store.store import Store

MOST_NAMED, MOST_ACCOUNTS = 40, 50
"""Families or campaigns of a list, and accounts, that a report names; the others are counted."""

NIGHTS = 14
"""Nights whose volumes a report compares, its own among them; growth is seen against those before it."""

GROWN, CHANCE = 1.5, 1e-3
"""A campaign grew if it sent so many times what its share of earlier nights gives, and chance gives that so rarely."""

_TEXT = 240


def morning_report(store: Store, home: Home, night: str | None = None) -> MorningReport:
    """Report a night: None for the last one, else its number among the nights, its day, or the beginning of its id.

    Families and campaigns are told as they are now, what happened to them as the night found it. Raises NotFound.
    """
    nights = store.nights()
    number = number_of(nights, night)
    window = nights[max(0, number - NIGHTS + 1) : number + 1]
    with store.database.reading() as connection:
        report = _Reading(connection, window).report()
    sizes = home_sizes(home, store.database)
    before, is_last = nights[number].home_bytes, number == len(nights) - 1
    return replace(
        report,
        is_last=is_last,
        home_bytes=sizes,
        grown_bytes=sum(sizes.values()) - before if is_last and before else None,
    )


class _Reading:
    """A night, the last of `window`, with all that its report is made of."""

    def __init__(self, connection: sa.Connection, window: Sequence[NightReport]) -> None:
        self._connection, self._window = connection, window
        self._rows = night_traffic.campaigns(connection)
        self._night, self._earlier = window[-1], [n.batch_id for n in window[:-1]]
        self._members = night_traffic.members_of(connection)
        self._sent = night_traffic.sent_by_family(connection, self._members, [n.batch_id for n in window])
        self._senders = night_traffic.senders(connection, self._members, self._night.batch_id)
        events = night_traffic.events_of(connection, self._night.batch_id, ["flagged", "cleared", "pivoted"])
        self._flagged, self._cleared, self._pivoted = (
            [e for e in events if e.kind == kind] for kind in ("flagged", "cleared", "pivoted")
        )

    def report(self) -> MorningReport:
        """Put the report together, but for what is told of the home."""
        campaigns = self._campaigns()
        by_night = [self._in_flagged(n.batch_id) for n in self._window]
        before = night_traffic.senders_before(self._connection, self._members, self._earlier)
        return MorningReport(
            night=self._night,
            is_last=False,
            warnings=warnings_of(self._night, self._window[:-1]),
            families=self._families([e.family_id for e in self._flagged]),
            campaigns=_listed(c for c in campaigns if c.newly_flagged),
            new_campaigns=sum(c.newly_flagged == c.families for c in campaigns),
            grown=_listed(c for c in campaigns if self._grew(c)),
            quiet=_listed(c for c in campaigns if len(self._window) > 1 and _fell_silent(c)),
            active=_listed(sorted((c for c in campaigns if c.tonight), key=lambda c: -c.tonight)),
            pivots=self._pivots(),
            cleared=self._families([e.family_id for e in self._cleared]),
            accounts=Listed(tuple(self._accounts(before)), len(self._senders)),
            new_accounts=len(self._senders.keys() - before),
            in_flagged=by_night[-1],
            volumes=tuple(_volume(n, sent) for n, sent in zip(self._window, by_night, strict=True)),
            hours=tuple(night_traffic.by_hour(self._connection, self._members, self._night.batch_id)),
        )

    def _in_flagged(self, batch_id: str) -> int:
        return sum(n.requests for sent in self._sent.values() for n in sent if n.batch_id == batch_id)

    def _campaigns(self) -> list[ReportedCampaign]:
        """List the campaigns of suspect families, the surest first."""
        members: dict[str, list[str]] = {}
        for family, member in self._members.items():
            if member.campaign in self._rows and family == member.owner:
                members.setdefault(member.campaign, []).append(family)
        accounts = Counter(c for sender in self._senders.values() for c in sender.campaigns)
        new = {e.family_id for e in self._flagged}
        out = []
        for campaign, families in members.items():
            per_night = _per_night([n for f in families for n in self._sent.get(f, ())], self._window)
            row = self._rows[campaign]
            out.append(
                ReportedCampaign(
                    campaign_id=campaign,
                    name=row.name,
                    precision=expected_precision(row.score),
                    families=row.families,
                    newly_flagged=len(new.intersection(families)),
                    requests=row.requests,
                    tonight=per_night[-1],
                    accounts_tonight=accounts[campaign],
                    usual=self._usual(per_night),
                    last_seen=row.last_seen,
                    per_night=per_night,
                )
            )
        return sorted(out, key=lambda c: (-c.precision, -c.requests, c.campaign_id))

    def _usual(self, per_night: Sequence[int]) -> float:
        """Return the requests to expect by the share of the nights before, from the first that had any on."""
        first = next((n for n, requests in enumerate(per_night[:-1]) if requests), None)
        if first is None:
            return 0.0
        accepted = sum(n.ingest.accepted for n in self._window[first:-1])
        return sum(per_night[first:-1]) / max(accepted, 1) * self._night.ingest.accepted

    def _grew(self, campaign: ReportedCampaign) -> bool:
        if not campaign.usual or campaign.tonight < GROWN * campaign.usual:
            return False
        from fingerprint.base import stats  # loads numba, for the few that reach this

        accepted = max(self._night.ingest.accepted, 1)
        chance = min(campaign.usual / accepted, 1.0)
        seen, trials = np.array([campaign.tonight]), np.array([accepted])
        return bool(stats.binomial(seen, trials, chance)[0] <= CHANCE)

    def _families(self, ids: Sequence[str]) -> Listed[ReportedFamily]:
        """Describe families by their ids, those of most certainty first."""
        stored = {s.family_id: s for s in signatures_of(self._connection, ids)}
        ranked = sorted(stored.values(), key=lambda s: (-s.score, s.family_id))
        shown = ranked[:MOST_NAMED]
        tonight = night_traffic.requests_tonight(
            self._connection, [s.family_id for s in shown], self._night.batch_id
        )
        rows = tuple(self._family(s, tonight.get(s.family_id, 0)) for s in shown)
        return Listed(rows, len(ranked))

    def _family(self, signature: Signature, tonight: int) -> ReportedFamily:
        campaign = self._rows.get(signature.campaign_id or "")
        spread, text = signature.spread, str(signature.template)
        return ReportedFamily(
            family_id=signature.family_id,
            name=family_name(signature),
            campaign_id=signature.campaign_id,
            campaign_name=campaign.name if campaign else None,
            label=signature.label,
            score=signature.score,
            precision=expected_precision(signature.score),
            accounts=spread.accounts,
            requests=spread.requests,
            tonight=tonight,
            first_seen=spread.first_seen,
            last_seen=spread.last_seen,
            verdict=verdict_line(signature.reasons, spread.accounts, flagged=signature.flagged),
            text=text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…",
            profile=signature.profile,
        )

    def _pivots(self) -> Listed[Pivot]:
        """Name both families of each pivot, those to a flagged family first."""
        pairs = [(e.family_id, str(e.detail["to"])) for e in self._pivoted]
        pairs.sort(key=lambda pair: (pair[1] not in self._members, pair))
        ids = sorted({family for pair in pairs[:MOST_NAMED] for family in pair})
        name = {s.family_id: family_name(s) for s in signatures_of(self._connection, ids)}
        rows = tuple(
            Pivot(a, name.get(a, a), b, name.get(b, b), bool({a, b}.intersection(self._members)))
            for a, b in pairs[:MOST_NAMED]
        )
        return Listed(rows, len(pairs))

    def _accounts(self, before: set[str]) -> list[ReportedAccount]:
        """List the accounts that sent most of suspect families; before: those that did on an earlier night."""
        ids = heapq.nsmallest(MOST_ACCOUNTS, self._senders, key=lambda a: (-self._senders[a].requests, a))
        totals = night_traffic.totals_of(self._connection, ids, self._night.batch_id)
        return [
            ReportedAccount(
                account_id=account,
                in_flagged=sender.requests,
                requests=totals.get(account, sender.requests),
                families=len(sender.families),
                newly=account not in before,
                campaigns=tuple(sorted(self._rows[c].name for c in sender.campaigns if c in self._rows)),
            )
            for account, sender in ((a, self._senders[a]) for a in ids)
        ]


def _listed(rows: Iterable[ReportedCampaign]) -> Listed[ReportedCampaign]:
    every = list(rows)
    return Listed(tuple(every[:MOST_NAMED]), len(every))


def _fell_silent(campaign: ReportedCampaign) -> bool:
    return campaign.tonight == 0 and campaign.per_night[-2] > 0


def _per_night(sent: Iterable[NightSent], window: Sequence[NightReport]) -> tuple[int, ...]:
    of = dict.fromkeys((n.batch_id for n in window), 0)
    for night in sent:
        of[night.batch_id] += night.requests
    return tuple(of.values())


def _volume(night: NightReport, in_flagged: int) -> NightVolume:
    read = night.ingest
    return NightVolume(
        batch_id=night.batch_id,
        started=night.started,
        first_request=night.first_request,
        last_request=night.last_request,
        accepted=read.accepted,
        rejected=read.rejected,
        duplicates=read.duplicates,
        accounts=night.accounts,
        families=night.families,
        flagged=night.flagged,
        seconds=sum(night.seconds.values()),
        in_flagged=in_flagged,
    )
