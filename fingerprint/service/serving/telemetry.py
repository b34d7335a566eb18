"""Traces and metrics for OpenTelemetry, where its OTEL_* variables say where to; without them nothing of it is loaded.

A span is a request: route, status, and what came of a lookup, never its text, account or key. It goes on the caller's trace
(W3C traceparent). Names are those of OpenTelemetry's conventions for HTTP servers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import Scope

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
FACTS = (
    "gateway",
    "family",
    "label",
    "score",
    "decision",
    "rule",
    "snapshot",
    "prompts",
    "matched",
    "unparsed",
)
"""What of a request's facts a span has, as attributes fingerprint.NAME; none is from its text."""

_SCOPE = "fingerprint"
_INSTALL = (
    "OpenTelemetry is asked for by OTEL_* variables, but is not installed: pip install 'fingerprint[otel]'"
)


class Telemetry:
    """Writes spans and durations of requests; spans, durations: where to, None for nowhere."""

    def __init__(self, spans: TracerProvider | None, durations: MeterProvider | None) -> None:
        self._providers = (spans, durations)
        self._tracer = None if spans is None else spans.get_tracer(_SCOPE)
        self._seconds: Histogram | None = None
        self._decisions: Counter | None = None
        if durations is not None:
            meter = durations.get_meter(_SCOPE)
            self._seconds = meter.create_histogram(
                "http.server.request.duration", unit="s", description="Time to answer"
            )
            self._decisions = meter.create_counter(
                "fingerprint.decisions", description="Lookups, by what was decided"
            )

    def began(self, scope: Scope) -> Span | None:
        """Begin the span of a request, on its caller's trace."""
        if self._tracer is None:
            return None
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        names = (b"traceparent", b"tracestate")
        carried = {n.decode(): v.decode("latin-1") for n, v in scope["headers"] if n in names}
        context = TraceContextTextMapPropagator().extract(carried)
        return self._tracer.start_span(scope["method"], context, kind=SpanKind.SERVER)

    def ended(self, span: Span | None, scope: Scope, route: str, status: int, seconds: float) -> None:
        """End a request's span, and count it."""
        facts: Mapping[str, Any] = scope.get("fingerprint.facts", {})
        http = {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
        }
        if span is not None:
            from opentelemetry.trace import StatusCode

            span.update_name(f"{scope['method']} {route}")
            own = {f"fingerprint.{n}": facts[n] for n in FACTS if facts.get(n) is not None}
            span.set_attributes({**http, **own})
            if status >= 500:
                span.set_status(StatusCode.ERROR)
            span.end()
        if self._seconds is not None:
            self._seconds.record(seconds, http)
        if self._decisions is not None and "decision" in facts:
            self._decisions.add(1, {"decision": facts["decision"], "gateway": facts.get("gateway", "api")})

    def close(self) -> None:
        """Send what is left."""
        for provider in self._providers:
            if provider is not None:
                provider.shutdown()


def telemetry() -> Telemetry | None:
    """Return what the OTEL_* variables of this process ask for; None: nothing, or it is not installed, which is logged."""
    wanted = {signal for signal in ("TRACES", "METRICS") if _exporter(signal)}
    if not wanted:
        return None
    try:
        return _installed(wanted)
    except ImportError:
        structlog.get_logger().warning("telemetry", message=_INSTALL)
        return None


def _exporter(signal: str) -> bool:
    """Tell whether a signal is to be sent, by the rules of OpenTelemetry's specification."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    named = os.environ.get(f"OTEL_{signal}_EXPORTER", "").lower()
    return named == "otlp" or (
        not named
        and any(os.environ.get(name) for name in (ENDPOINT, f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))
    )


def _installed(wanted: set[str]) -> Telemetry:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before it
    name = os.environ.get("OTEL_SERVICE_NAME") or "fingerprint"
    resource = Resource.create({SERVICE_NAME: name})
    spans = durations = None
    if "TRACES" in wanted:
        spans = TracerProvider(resource=resource)
        spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if "METRICS" in wanted:
        durations = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource)
    return Telemetry(spans, durations)
