"""Spans and metrics: what is in them, what is not, and that they are off until asked for."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.receiver import receiving
from support.servers import answers, free_port, looked_up
from support.small_traffic import TEMPLATES, start

from fingerprint.service.app import create_app
from fingerprint.service.http.config import Config
from fingerprint.service.serving.telemetry import Telemetry, _exporter, telemetry

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_lookup_is_a_span_on_its_callers_trace(worked: Path) -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = create_app(Config(str(worked)), Telemetry(provider, MeterProvider([reader])))
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        sent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        answer = client.post("/v1/lookup", json={"prompt": PROMPT, "account_id": "a-17"}, headers=sent).json()
        client.get("/livez")
        client.post("/v1/lookup", json={"model": PROMPT})
        client.get("/river market engine")
        found = reader.get_metrics_data()
    matched, unread, lost = spans.get_finished_spans()
    assert matched.name == "POST /v1/lookup"
    assert f"{matched.context.trace_id:032x}" == TRACE
    assert dict(matched.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/lookup",
        "http.response.status_code": 200,
        "fingerprint.family": answer["family_id"],
        "fingerprint.score": answer["score"],
        "fingerprint.decision": "observe",
        "fingerprint.snapshot": answer["snapshot_id"],
    }
    assert (unread.attributes or {})["http.response.status_code"] == 422
    assert lost.name == "GET none"
    assert found is not None
    written = "".join(span.to_json() for span in spans.get_finished_spans()) + found.to_json()
    assert "river market" not in written
    assert "a-17" not in written
    assert '"http.server.request.duration"' in written
    assert '"fingerprint.decisions"' in written


def test_serve_sends_them_where_the_variables_say(worked: Path) -> None:
    port = free_port()
    with receiving() as collector:
        endpoint = collector.url.partition("/hooks")[0]
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "lookups-of-a-test"}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            process = start("serve", "--home", worked, "--port", port, stderr=subprocess.DEVNULL)
        answers(f"http://127.0.0.1:{port}/readyz", process)
        assert looked_up(f"http://127.0.0.1:{port}", {"prompt": PROMPT})["match"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert set(collector.paths) == {"/v1/traces", "/v1/metrics"}
    written = b"".join(collector.bodies)
    assert b"POST /v1/lookup" in written
    assert b"lookups-of-a-test" in written
    assert b"river market" not in written


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
    ],
)
def test_variables_turn_traces_on(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], on: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _exporter("TRACES") is on


def test_off_loads_nothing_and_missing_packages_only_warn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert telemetry() is None
    code = "import sys, fingerprint.service.app; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert telemetry() is None
    assert "fingerprint[otel]" in capsys.readouterr().out
