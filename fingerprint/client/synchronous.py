"""The client for threads: it blocks until there is an answer."""

from __future__ import annotations

import time
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


class Client:
    """Asks the service; may be shared by threads. Use it in `with`, or call `close`.

    The deadline bounds connecting, sending and receiving each, so a lookup may take a little longer than it says.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._posts = Posts(options)
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
        try:
            body = body_of(fields_of(request, account, explain=explain))
            return answer_of(self._sent(LOOKUP, body, timeout_s or self.options.timeout_s))
        except LookupFailed as failure:
            return instead(self.options, failure)

    def lookup_many(
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
                batches.answered(part, self._sent(BATCH, batches.body(part), self.options.batch_timeout_s))
            except LookupFailed as failure:
                batches.failed(part, failure)
        return batches.answers()

    def _sent(self, path: str, body: bytes, timeout_s: float) -> bytes:
        call = Call(self.options, timeout_s)
        while True:
            try:
                response = self._http.send(self._posts.to(path, body, call, timeout_s=call.left()))
            except httpx2.HTTPError as error:
                time.sleep(call.broken(error))
                continue
            if response.status_code == 200:
                return response.content
            time.sleep(call.failed(response.status_code, response.headers, response.content))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
