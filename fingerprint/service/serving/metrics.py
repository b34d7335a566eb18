"""What Prometheus reads: rate, errors and duration of requests, and how the lookups do.

With several workers each keeps its numbers in a file of PROMETHEUS_MULTIPROC_DIR, and whichever is asked adds them up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.core import GaugeMetricFamily
from starlette.responses import Response

from fingerprint.domain.results import Match
from fingerprint.domain.vocabulary import LABELS, NO_LABEL
from fingerprint.matching.live import Serving
from fingerprint.service.serving.policy import Decision
from fingerprint.service.serving.policy_file import PolicyFile

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
if MULTIPROCESS in os.environ:
    # a worker never forks; to ask for its number at every count would take longer than the count
    _PROCESS = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: _PROCESS)  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)

REQUESTS = Counter("fingerprint_http_requests", "Requests answered", ["route", "method", "status"])
DURATION = Histogram("fingerprint_http_request_seconds", "Time to answer", ["route"], buckets=_SECONDS)
IN_WORK = Gauge("fingerprint_http_in_work", "Requests in work", multiprocess_mode="livesum")
LOOKUPS = Counter("fingerprint_lookups", "Prompts looked up, by what was found", ["found", "label"])
DECISIONS = Counter("fingerprint_decisions", "What was decided about matches", ["decision", "gateway"])
UNPARSED = Counter("fingerprint_gateway_unparsed", "Gateway requests let through unread", ["gateway", "why"])
BATCH_SIZES = Histogram(
    "fingerprint_lookups_together", "Prompts looked up in one go", buckets=(1, 2, 4, 8, 16, 32)
)
SHED = Counter("fingerprint_shed", "Requests refused with 503", ["why"])
SWAPS = Counter("fingerprint_swaps", "Times that a worker took up a newer snapshot or label")


# to find the counter of some labels takes longer than to count
_REQUESTS, _DURATION = lru_cache(256)(REQUESTS.labels), lru_cache(256)(DURATION.labels)
_LOOKUPS, _DECISIONS = lru_cache(256)(LOOKUPS.labels), lru_cache(256)(DECISIONS.labels)


def answered(route: str, method: str, status: int, seconds: float) -> None:
    """Count one request, and the time that it took."""
    _REQUESTS(route, method, status).inc()
    _DURATION(route).observe(seconds)


def looked_up(match: Match, decision: Decision, gateway: str) -> None:
    """Count one lookup; labels of families are few words of analysts, ids are not counted apart."""
    outcome = "match" if match.family_id is not None else "none"
    label = (match.label or NO_LABEL) if match.family_id is not None else ""
    _LOOKUPS(outcome, label if label in ("", NO_LABEL, *LABELS) else "other").inc()
    if match.family_id is not None:
        _DECISIONS(decision.action, gateway).inc()


class _InUse:
    """What the worker that is asked answers from, as it is at that moment."""

    def __init__(
        self, serving: Serving | None, policy: PolicyFile, *, database_up: bool, waiting: int
    ) -> None:
        self._gauges = {
            "fingerprint_database_up": ("1 while the database can be reached", float(database_up)),
            "fingerprint_lookups_waiting": ("Prompts that wait in this worker", float(waiting)),
            "fingerprint_policy_sound": (
                "0 while the policy's file is wrong and the one before is in use",
                float(policy.error is None),
            ),
        }
        self._facts = {
            "fingerprint_snapshot_info": (
                "The snapshot in use",
                "snapshot",
                serving.snapshot_id if serving else "",
            ),
            "fingerprint_policy_info": (
                "The policy in use, by the SHA-256 of its text",
                "digest",
                policy.digest,
            ),
        }
        if serving is not None:
            age = max(0.0, time.time() - serving.published)
            self._gauges["fingerprint_snapshot_age_seconds"] = ("Since the snapshot in use was written", age)
            self._gauges["fingerprint_labels_revision"] = (
                "Revision of labels and edits in use",
                float(serving.revision),
            )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        for name, (words, value) in self._gauges.items():
            yield GaugeMetricFamily(name, words, value=value)
        for name, (about, label, fact) in self._facts.items():
            if fact:
                info = GaugeMetricFamily(name, about, labels=[label])
                info.add_metric([fact], 1.0)
                yield info


def exposition(serving: Serving | None, policy: PolicyFile, *, database_up: bool, waiting: int) -> Response:
    """Render everything as Prometheus reads it; counters and histograms are those of all workers."""
    counted: CollectorRegistry = REGISTRY
    if MULTIPROCESS in os.environ:
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        ProcessCollector(registry=counted)
    now = CollectorRegistry()
    now.register(_InUse(serving, policy, database_up=database_up, waiting=waiting))
    return Response(generate_latest(counted) + generate_latest(now), media_type=CONTENT_TYPE_LATEST)
