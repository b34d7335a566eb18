"""A log that cannot be written costs no request its answer."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import pytest
import structlog
from support.service_client import running

from fingerprint.service.serving.access_log import set_up_logging


class Full(BytesIO):
    """A file on a full disk, until there is room."""

    room = False

    def write(self, line: object) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        return super().write(line)  # type: ignore[arg-type]


class Stderr:
    def __init__(self, buffer: BytesIO) -> None:
        self.buffer = buffer

    def write(self, text: str) -> int:
        return self.buffer.write(text.encode())

    def flush(self) -> None:
        pass


def test_lookups_go_on_while_no_line_can_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Full()
    monkeypatch.setattr(sys, "stderr", Stderr(disk))
    before = structlog.get_config()
    set_up_logging()
    try:
        with running(home) as service:
            for path, content in (("/v1/lookup", b'{"prompt":"a"}'), ("/v1/envoy/authz/x", b"none")):
                assert (
                    service.client.post(
                        path, content=content, headers={"content-type": "application/json"}
                    ).status_code
                    == 200
                )
            disk.room = True
            service.client.post("/v1/lookup", json={"prompt": "a"})
    finally:
        structlog.configure(**before)
    assert b'"route":"/v1/lookup"' in disk.getvalue()
