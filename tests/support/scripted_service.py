"""An HTTP server on this machine that answers as its script says, and writes down what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.until import WAIT_S

ANSWER: dict[str, Any] = {
    "match": True,
    "family_id": "f1",
    "candidate_id": "f1",
    "label": "campaign",
    "campaign_id": "c1",
    "score": 0.9,
    "threshold": 0.5,
    "coverage": 0.8,
    "similarity": 0.7,
    "known_sender": False,
    "also": [{"family_id": "f2", "score": 0.6}],
    "decision": "block",
    "rule": "known",
    "snapshot_id": "s1",
}

Step = tuple[int, dict[str, str], Any]
"""A status, headers, and a body: bytes, or what JSON can say."""


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: Any
    at: float


@dataclass
class Script:
    address: str = ""
    steps: list[Step] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    held: threading.Event | None = None
    by_body: Callable[[Any], Step] | None = None

    def step(self, body: Any) -> Step:
        if self.by_body is not None:
            return self.by_body(body)
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


@contextmanager
def scripted(
    *steps: Step, held: threading.Event | None = None, by_body: Callable[[Any], Step] | None = None
) -> Iterator[Script]:
    """Answer by the steps, the last one for ever, each once `held` is set; or by what `by_body` says of a body."""
    script = Script(steps=list(steps) or [(200, {}, ANSWER)], held=held, by_body=by_body)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append(Asked(self.path, headers, body, time.monotonic()))
            status, extra, answer = script.step(body)
            if script.held is not None:
                script.held.wait(WAIT_S)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**extra, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # who asked may have given up
                self.wfile.write(content)

        def log_message(self, *_words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    script.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
