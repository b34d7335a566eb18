"""The client for threads: it blocks until there is an answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

import httpx2

from fingerprint.client.answers import Answer
from fingerprint.client.call import Request
from fingerprint.client.exchange import Exchange, Outcome, Result, Steps
from fingerprint.client.options import Options


class Client:
    """Asks the service; may be shared by threads. Use it in `with`, or call `close`.

    The deadline bounds connecting, sending and receiving each, so a lookup may take a little longer than it says.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._exchange = Exchange(options, is_timed=True)
        self._http = httpx2.Client(
            transport=None if options.socket is None else httpx2.HTTPTransport(uds=options.socket),
            trust_env=options.trusts_proxies,
            limits=httpx2.Limits(max_connections=options.connections),
        )

    def lookup(
        self,
        request: Request,
        *,
        account: str | None = None,
        explain: bool = False,
        timeout_s: float | None = None,
    ) -> Answer:
        """Look a request up: as its provider takes it, or the text of a prompt.

        account: who sent it, as nightly logs name them. timeout_s: instead of the options'. Without an answer, raises
        LookupFailed or answers what the options' on_failure says.
        """
        return self._done(self._exchange.one(request, account, explain=explain, timeout_s=timeout_s))

    def lookup_many(
        self,
        requests: Sequence[Request],
        *,
        accounts: Sequence[str | None] | None = None,
        explain: bool = False,
    ) -> list[Answer]:
        """Look requests up in batches, one after another; answers are in their order."""
        return self._done(self._exchange.many(requests, accounts, explain=explain))

    def _done(self, steps: Steps[Result]) -> Result:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: Result = end.value
                return result
            outcome = None
            if isinstance(step, float):
                time.sleep(step)
                continue
            try:
                outcome = self._http.send(step.request)
            except httpx2.HTTPError as error:
                outcome = error

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
