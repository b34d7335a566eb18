"""What signals do to a worker: SIGTERM and SIGINT drain it first, SIGHUP reads the policy again."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from fingerprint.service.serving.context import Service


def drain_on_signals(service: Service) -> None:
    """Let the first SIGTERM or SIGINT say "not ready" for a while before the server stops to accept connections.

    So balancers look elsewhere in time; a second signal stops at once. Call it when the server's own handlers stand.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, _Drain(service, loop, before))


def read_policy_on_hangup(service: Service) -> None:
    """Let SIGHUP read the policy's file again, at once."""
    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.read_policy_again)


@dataclass(frozen=True, slots=True)
class _Drain:
    service: Service
    loop: asyncio.AbstractEventLoop
    before: Callable[[int, FrameType | None], object]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.service.draining:
            self.before(number, frame)
            return
        self.service.draining = True
        wait = self.service.config.drain_ms / 1000
        self.loop.call_soon_threadsafe(self.loop.call_later, wait, self.before, number, None)
