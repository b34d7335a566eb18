"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

import httpx2

from fingerprint.client.answers import Answer
from fingerprint.client.batches import Batches
from fingerprint.client.call import (
    BATCH,
    LOOKUP,
    Call,
    LookupFailed,
    Posts,
    Request,
    answer_of,
    body_of,
    fields_of,
    instead,
)
from fingerprint.client.options import Options


class AsyncClient:
    """Asks the service from one event loop. Use it in `async with`, or call `aclose`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._posts = Posts(options)
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
        try:
            body = body_of(fields_of(request, account, explain=explain))
            return answer_of(await self._sent(LOOKUP, body, timeout_s or self.options.timeout_s))
        except LookupFailed as failure:
            return instead(self.options, failure)

    async def lookup_many(
        self,
        requests: Sequence[Request],
        *,
        accounts: Sequence[str | None] | None = None,
        explain: bool = False,
    ) -> list[Answer]:
        """Look requests up in batches, one after another; answers are in their order."""
        batches = Batches(self.options, requests, accounts, explain=explain)
        while (part := batches.take()) is not None:
            try:
                body = await self._sent(BATCH, batches.body(part), self.options.batch_timeout_s)
                batches.answered(part, body)
            except LookupFailed as failure:
                batches.failed(part, failure)
        return batches.answers()

    async def _sent(self, path: str, body: bytes, timeout_s: float) -> bytes:
        call = Call(self.options, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        # asyncio.timeout bounds the call as a whole
                        response = await self._http.send(self._posts.to(path, body, call))
                    except httpx2.HTTPError as error:
                        await asyncio.sleep(call.broken(error))
                        continue
                    if response.status_code == 200:
                        return response.content
                    await asyncio.sleep(call.failed(response.status_code, response.headers, response.content))
        except TimeoutError:
            raise call.ended() from None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
