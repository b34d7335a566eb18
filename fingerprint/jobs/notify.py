"""Tells a webhook what was newly flagged: JSON that Slack understands, signed, tried again, and never a reason to fail.

The body is `text`, a few lines for people, and fields for programs; it has names, ids and counts, and no text of a prompt or
template. With a secret it is signed: X-Fingerprint-Signature is `v1=` and the HMAC-SHA256, in hex, of the timestamp in
X-Fingerprint-Timestamp (Unix seconds), a full stop, and the body. A receiver refuses old timestamps, so that a message that
somebody kept cannot be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fingerprint.base.quantities import count_words
from fingerprint.base.version import __version__
from fingerprint.domain.errors import UsageError
from fingerprint.domain.expected_precision import precision_words
from fingerprint.domain.morning_report import MorningReport, ReportedCampaign, ReportedFamily

SECRET_VARIABLE = "FINGERPRINT_NOTIFY_SECRET"  # noqa: S105
"""The environment variable that has the secret."""

TIMEOUT_S = 10.0
"""Of one try."""

WAITS_S = (1.0, 4.0, 16.0)
"""Before the second try and those after it."""

LONGEST_WAIT_S = 60.0
"""That a receiver may ask for by Retry-After."""

MOST_NAMED = 10
"""Families or campaigns that a message names."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go: https, or http to this machine, unless `plain_http` allows others. Raises UsageError for any other.

    url: may have a secret in its path, so it is never shown whole. secret: signs the messages; empty: they are not signed.
    """

    url: str
    secret: str = ""
    plain_http: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise UsageError(f"--notify: an https:// URL expected, {self.url[:12]!r} … found")
        if parts.scheme == "http" and not (self.plain_http or _is_this_machine(parts.hostname)):
            raise UsageError(
                f"--notify: https:// expected, or http:// to this machine, {self.name} found; "
                "--notify-plain-http allows it"
            )

    @property
    def name(self) -> str:
        """What is shown of the URL: scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def post(
        self, message: Mapping[str, Any], *, sleep: Callable[[float], object] = time.sleep
    ) -> str | None:
        """Send a message, with further tries where that may help; returns why it was given up, None once it was taken."""
        import httpx2

        body = json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
        trouble = ""
        for wait in (*WAITS_S, None):
            again = True
            asked: float | None = None
            try:
                # no redirect is followed: it could lead anywhere
                with httpx2.Client(
                    timeout=TIMEOUT_S, follow_redirects=False, trust_env=self.url.startswith("https:")
                ) as client:
                    answer = client.post(self.url, content=body, headers=self._headers(body))
                if answer.is_success:
                    return None
                again = answer.status_code in (408, 425, 429) or answer.status_code >= 500
                trouble, asked = f"status {answer.status_code}", _seconds(answer.headers.get("retry-after"))
            except httpx2.HTTPError as error:
                trouble = f"{type(error).__name__}: {error}".rstrip(": ")
            if wait is None or not again:
                break
            sleep(min(max(wait, asked or 0.0), LONGEST_WAIT_S))
        return f"{self.name} was not told: {trouble.replace(self.url, self.name)}"

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"fingerprint/{__version__}"}
        if self.secret:
            at = str(int(time.time()))
            headers["X-Fingerprint-Timestamp"] = at
            headers["X-Fingerprint-Signature"] = signature(self.secret, at, body)
        return headers


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a body with the time of sending, as a receiver does to compare (`hmac.compare_digest`)."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={digest.hexdigest()}"


def night_message(report: MorningReport, links: str | None = None) -> dict[str, Any]:
    """Return the message about a night; links: the console's address, for a link to its page."""
    night, new = report.night, report.families.total
    day = f"{night.first_request or night.started:%Y-%m-%d}"
    families = count_words(new, "family", "families")
    head = f"fingerprint, traffic of {day}: {families if new else 'nothing'} newly flagged"
    lines = [head] + [f"• {_campaign_words(c)}" for c in report.campaigns.rows[:MOST_NAMED]]
    if report.campaigns.total > MOST_NAMED:
        lines.append(f"and {count_words(report.campaigns.total - MOST_NAMED, 'more campaign')}")
    if report.accounts.total:
        lines.append(
            f"{count_words(report.accounts.total, 'account')} sent "
            f"{count_words(report.in_flagged, 'request')} of flagged families"
        )
    lines += [f"Warning: {warning.words}" for warning in report.warnings]
    if links:
        lines.append(f"{links.rstrip('/')}/last-night")
    return {
        "text": "\n".join(_inert(line) for line in lines),
        "event": "night",
        "batch_id": night.batch_id,
        "first_request": night.first_request.isoformat() if night.first_request else None,
        "last_request": night.last_request.isoformat() if night.last_request else None,
        "accepted": night.ingest.accepted,
        "flagged": night.flagged,
        "newly_flagged": new,
        "expected_false_flags": round(night.expected_false_flags, 2),
        "accounts": report.accounts.total,
        "new_accounts": report.new_accounts,
        "families": [_family(row) for row in report.families.rows[:MOST_NAMED]],
        "campaigns": [_campaign(row) for row in report.campaigns.rows[:MOST_NAMED]],
        "warnings": [warning.kind for warning in report.warnings],
    }


def _family(row: ReportedFamily) -> dict[str, Any]:
    return {
        "family_id": row.family_id,
        "name": row.name,
        "campaign_id": row.campaign_id,
        "score": round(row.score, 4),
        "precision": round(row.precision, 4),
        "accounts": row.accounts,
        "requests": row.tonight,
    }


def _campaign(row: ReportedCampaign) -> dict[str, Any]:
    return {
        "campaign_id": row.campaign_id,
        "name": row.name,
        "precision": round(row.precision, 4),
        "newly_flagged": row.newly_flagged,
        "families": row.families,
        "accounts": row.accounts_tonight,
        "requests": row.tonight,
    }


def _campaign_words(row: ReportedCampaign) -> str:
    sent = f"{row.tonight:,} requests from {row.accounts_tonight:,} accounts"
    return f"{row.name} ({row.campaign_id}): {sent}, expected precision {precision_words(row.precision)}"


def watch_message(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message about a family that a watch flagged, by the watch's event; its texts and examples are left out."""
    kept = ("event", "family_id", "score", "flagged", "requests", "conversations", "accounts")
    sent = f"{event['requests']:,} requests from {event['accounts']:,} accounts"
    text = f"fingerprint, watching: family {event['family_id']} was flagged, {sent}"
    times = {name: event[name].isoformat() for name in ("at", "first_seen", "last_seen") if event.get(name)}
    return {"text": _inert(text), **{name: event[name] for name in kept}, **times}


def _inert(text: str) -> str:
    """Return text in which Slack sees no link, mention or markup: a name may be anybody's words."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isascii() and value.isdigit() else None
