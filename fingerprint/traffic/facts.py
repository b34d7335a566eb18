"""What a request asks for beside its text, as typed columns: how long, how random, how many answers, in which form.

Numbers are kept as they are, all else as a hash. Every fact may be missing. A night reads them as columns of its batch
(`discovery.batch.Batch.facts`); what evidence makes of them remains, and the shares of a family's `Profile`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from fingerprint.domain.schemas import FACT_FIELDS, FACTS
from fingerprint.traffic.tools import set_hash, value_hash

NAMES: dict[str, tuple[str, ...]] = {
    "max_tokens": (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "maxTokens", "maxOutputTokens"),
        *("max_gen_len", "maxTokenCount", "max_tokens_to_sample", "max_new_tokens"),
        "gen_ai.request.max_tokens",
    ),
    "temperature": ("temperature", "gen_ai.request.temperature"),
    "top_p": ("top_p", "topP", "gen_ai.request.top_p"),
    "n": ("n", "candidateCount", "candidate_count", "num_generations", "gen_ai.request.choice.count"),
    "logprobs": ("top_logprobs", "logprobs", "responseLogprobs", "top_logprobs_num", "return_logprob"),
    "stop": ("stop", "stop_sequences", "stopSequences", "gen_ai.request.stop_sequences"),
    "response_format": (
        *("response_format", "responseSchema", "response_schema", "responseMimeType", "format"),
        *("output_format", "output_config", "guided_json", "json_schema", "gen_ai.output.type"),
    ),
    "stream": ("stream", "is_streaming"),
    "tools": ("tools", "functions", "toolConfig", "gen_ai.tool.definitions", "llm.tools"),
}
"""Under which keys each fact stands; the first that holds something counts."""

Facts = tuple[object, ...]
"""A request's facts in the order of FACT_FIELDS, each None where it is not stated."""

NO_FACTS: Facts = (None,) * len(FACT_FIELDS)


def _whole(value: object) -> int | None:
    number = _real(value)
    return int(number) if number is not None and abs(number) < 2**31 else None


def _real(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _asked(value: object) -> int | None:
    """Read how many alternatives are asked for: True is one, False none."""
    return int(value) if isinstance(value, bool) else _whole(value)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_READ: dict[str, Callable[[Any], object]] = {
    "max_tokens": _whole,
    "temperature": _real,
    "top_p": _real,
    "n": _whole,
    "logprobs": _asked,
    "stop": value_hash,
    "response_format": value_hash,
    "stream": _flag,
    "tools": set_hash,
}
KEYS = {key: (place, rank) for place, name in enumerate(FACT_FIELDS) for rank, key in enumerate(NAMES[name])}
"""Which fact stands under a key, as a place in FACT_FIELDS, and how soon it is looked at."""


@lru_cache(maxsize=1 << 12)
def keys_of_facts(keys: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Return those of an object's keys under which facts stand, each with its fact's place, in the order they count."""
    found = sorted((*KEYS[key], key) for key in keys if key in KEYS)
    return tuple((place, key) for place, _, key in found)


def read_facts(objects: Sequence[tuple[Mapping[str, Any], tuple[tuple[int, str], ...]]]) -> Facts:
    """Read the facts in some objects, each with what `keys_of_facts` says of it; the first to state a fact counts."""
    facts: list[object] | None = None
    for holder, keys in objects:
        for place, key in keys:
            value = holder[key]
            if value is None or (facts is not None and facts[place] is not None):
                continue
            fact = _READ[FACT_FIELDS[place]](value)
            if fact is not None:
                facts = list(NO_FACTS) if facts is None else facts
                facts[place] = fact
    return NO_FACTS if facts is None else tuple(facts)


def facts_column(facts: Sequence[Facts]) -> pa.StructArray:
    """Turn the facts of n requests into a column of FACTS."""
    fields = [FACTS.field(i) for i in range(FACTS.num_fields)]
    columns = zip(*facts, strict=True) if facts else [()] * len(fields)
    arrays = [pa.array(column, kind.type) for kind, column in zip(fields, columns, strict=True)]
    none = pa.array([row is NO_FACTS for row in facts], pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=none)
