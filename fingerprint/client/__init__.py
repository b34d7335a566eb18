"""Asks the lookup service from other programs: sync, async, as ASGI middleware, and as a callback of LiteLLM.

In go requests as providers take them; out come answers with a decision. Nothing here loads more than httpx2, so that it can run
inside any gateway. Read exchange.py first, which has all but the sending, then call.py.
"""

from fingerprint.client.answers import Answer, Explanation, FamilyScore, SegmentCoverage
from fingerprint.client.asynchronous import AsyncClient
from fingerprint.client.call import LookupFailed, RequestRefused
from fingerprint.client.middleware import LookupMiddleware
from fingerprint.client.options import Options
from fingerprint.client.synchronous import Client

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "Explanation",
    "FamilyScore",
    "LookupFailed",
    "LookupMiddleware",
    "Options",
    "RequestRefused",
    "SegmentCoverage",
]
