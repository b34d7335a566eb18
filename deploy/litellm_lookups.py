"""Looks up every request of a LiteLLM proxy; lies beside its config.yaml, which says: callbacks: litellm_lookups.lookups."""

import os

from fingerprint.client import AsyncClient, Options
from fingerprint.client.litellm_callback import LookupCallback

lookups = LookupCallback(
    AsyncClient(
        Options(
            os.environ.get("FINGERPRINT_URL", "http://127.0.0.1:8765"),
            key=os.environ.get("FINGERPRINT_KEY"),
            timeout_s=float(os.environ.get("FINGERPRINT_TIMEOUT_S", "1")),
            on_failure="open",
        )
    ),
    # a header of a gateway in front that names the account, whose value is believed
    account_header="x-account-id",
)
