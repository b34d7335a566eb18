"""The Arrow schemas of what travels between stages and into the database."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

FAMILY_HOURS_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("hour", pa.timestamp("us", tz="UTC"), nullable=False),  # its beginning
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("accounts", pa.int64(), nullable=False),
    ]
)
"""A family's requests and distinct accounts in each hour of a batch."""

ACCOUNT_HOURS_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("hour", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
    ]
)
"""What each of a family's most active accounts of a batch sent of it in each hour."""

PATTERNS_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("held", pa.large_binary(), nullable=False),
        pa.field("member", pa.bool_(), nullable=False),
        pa.field("grams", pa.large_string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("accounts", pa.int64(), nullable=False),
    ]
)
"""Which grams of a signature prompts held, as bits, and how many requests and accounts held just these.

member: whether the night gave them to the family. grams: `casework.grams_digest` of the signature's grams.
"""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a night's families and accounts sent, by the hour, and what prompts held: tables of the schemas above."""

    family_hours: pa.Table
    account_hours: pa.Table
    patterns: pa.Table


SYSTEM_END = "\x1d"
"""Ends the system prompt in a composed text (ASCII group separator)."""

TURN_END = "\x1e"
"""Stands between two user turns in `prompt` (ASCII record separator)."""

SECTION_MARK = "\x1f"
"""Once or more before a part of a text: that part stands in a section of its own, `SECTIONS` of the vocabulary (ASCII unit
separator, which matching leaves out)."""

FACTS = pa.struct(
    [
        pa.field("max_tokens", pa.int64()),
        pa.field("temperature", pa.float64()),
        pa.field("top_p", pa.float64()),
        pa.field("n", pa.int32()),
        pa.field("logprobs", pa.int32()),  # alternatives asked for; 0: none, though others could be
        pa.field("stop", pa.uint64()),  # a hash
        pa.field("response_format", pa.uint64()),  # a hash
        pa.field("stream", pa.bool_()),
        pa.field("tools", pa.uint64()),  # a hash of the set
    ]
)
"""What a request asks for beside its text; null where it does not say."""

FACT_FIELDS = tuple(FACTS.field(i).name for i in range(FACTS.num_fields))

FACTS_SCHEMA = pa.schema([pa.field("model", pa.large_string()), *FACTS])
"""The same with the model, as columns."""

ROW_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("system", pa.large_string()),
        # user turns in order, joined by TURN_END; the reader takes the separators out of the texts themselves
        pa.field("prompt", pa.large_string(), nullable=False),
        pa.field("model", pa.large_string()),
        # a JSON object, e.g. {"ip_prefix": …, "payment_hash": …, "user_agent": …}
        pa.field("metadata", pa.large_string()),
    ]
)
"""A plain row, as files hold it."""

TRAFFIC_SCHEMA = ROW_SCHEMA.append(pa.field("facts", FACTS))
"""A request as it was read."""

SPREAD_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),  # UTC
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("conversations", pa.int64(), nullable=False),  # those that began on this day
    ]
)
"""What each account sent of each family on each day."""

ACTIVITY_SCHEMA = pa.schema([f for f in SPREAD_SCHEMA if f.name != "family_id"])
"""What each account sent in all on each day, in any family or none."""

RANDOM_FEATURES_SCHEMA = pa.schema(
    [
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("features", pa.large_binary(), nullable=False),  # <f2, means
    ]
)
"""What the prompts of each account that are in no family are like: mean random features (evidence/two_sample) of so many
requests, then the means of -log p in each space (evidence/strangeness); earlier versions kept the features alone."""
