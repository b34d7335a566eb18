"""Sends a watch's messages aside, so that a slow receiver never holds up the stream."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from fingerprint.jobs.notify import Webhook, watch_message

MOST_WAITING = 200
"""Messages that wait for a receiver; further ones are told to have been left out."""

LAST_WAIT_S = 30.0
"""How long the end of a watch waits for what is still to be sent."""


class Notices:
    """Messages about flagged families to a webhook, one after the other, in a thread; tell: where failures are told."""

    def __init__(self, webhook: Webhook, tell: Callable[[str], object]) -> None:
        self._webhook, self._tell = webhook, tell
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, name="notices", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        until = time.monotonic() + LAST_WAIT_S
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=LAST_WAIT_S)
            self._thread.join(max(until - time.monotonic(), 0.0))
        self._ended.set()
        if self._thread.is_alive():
            self._tell(
                f"{self._webhook.name} was not told of {self._waiting.qsize() or 1} families: it is too slow"
            )

    def __call__(self, event: dict[str, Any]) -> None:
        """Send the event of a family that was flagged; others are nobody's news."""
        if event["event"] != "flagged":
            return
        try:
            self._waiting.put_nowait(watch_message(event))
        except queue.Full:
            self._tell(
                f"{self._webhook.name} was not told of family {event['family_id']}: {MOST_WAITING} wait"
            )

    def _send(self) -> None:
        while (message := self._waiting.get()) is not None:
            trouble = self._webhook.post(message, sleep=self._ended.wait)
            if trouble is not None:
                self._tell(trouble)
