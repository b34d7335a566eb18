"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

import httpx2

from fingerprint.client.answers import Answer
from fingerprint.client.call import Request
from fingerprint.client.exchange import Exchange, Outcome, Result, Steps
from fingerprint.client.options import Options


class AsyncClient:
    """Asks the service from one event loop. Use it in `async with`, or call `aclose`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._exchange = Exchange(options, is_timed=False)
        self._http = httpx2.AsyncClient(
            transport=None if options.socket is None else httpx2.AsyncHTTPTransport(uds=options.socket),
            trust_env=options.trusts_proxies,
            limits=httpx2.Limits(max_connections=options.connections),
        )

    async def lookup(
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
        return await self._done(self._exchange.one(request, account, explain=explain, timeout_s=timeout_s))

    async def lookup_many(
        self,
        requests: Sequence[Request],
        *,
        accounts: Sequence[str | None] | None = None,
        explain: bool = False,
    ) -> list[Answer]:
        """Look requests up in batches, one after another; answers are in their order."""
        return await self._done(self._exchange.many(requests, accounts, explain=explain))

    async def _done(self, steps: Steps[Result]) -> Result:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: Result = end.value
                return result
            outcome = None
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            try:
                async with asyncio.timeout(step.timeout_s):
                    outcome = await self._http.send(step.request)
            except (httpx2.HTTPError, TimeoutError) as error:
                outcome = error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
