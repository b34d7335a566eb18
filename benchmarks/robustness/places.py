"""Campaign requests with all their text in another place of a provider's request: what the product reads of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.traffic.requests import texts
from fingerprint.traffic.sections import own_text

Body = dict[str, Any]

ASKED: Body = {"role": "user", "content": "Do as it says there."}
ROLES = frozenset(("assistant", "tool"))


def _document(text: str) -> Body:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
    return {"messages": [{"role": "user", "content": [document, {"type": "text", "text": ASKED["content"]}]}]}


PLACES: dict[str, Callable[[str], Body]] = {
    "in developer": lambda text: {"messages": [{"role": "developer", "content": text}, ASKED]},
    "in document": _document,
    "in tools": lambda text: {"tools": [{"name": "f", "description": text}], "messages": [ASKED]},
    "in prompt": lambda text: {"prompt": text, "messages": [ASKED]},
    "in variable": lambda text: {"prompt": {"id": "p", "variables": {"v": text}}, "input": ASKED["content"]},
    "in tool_result": lambda text: {"messages": [ASKED, {"role": "tool", "content": text}]},
    "in assistant": lambda text: {"messages": [ASKED, {"role": "assistant", "content": text}]},
}
"""The places; the last two are read with --roles only, as here."""


def moved(sent: pa.Table, place: str) -> pa.Table:
    """Return traffic whose campaign requests have what they say, system prompt and turns, in a place of PLACES."""
    systems, prompts = sent["system"].to_pylist(), sent["prompt"].to_pylist()
    for row in pc.indices_nonzero(pc.equal(sent["role"], "campaign")).to_pylist():
        said = "\n".join(text for text in (systems[row], prompts[row]) if text)
        system, prompt = texts(PLACES[place](said), ROLES)
        systems[row], prompts[row] = system and own_text(system), own_text(prompt)
    for name, column in (("system", systems), ("prompt", prompts)):
        sent = sent.set_column(sent.column_names.index(name), name, pa.array(column, pa.large_string()))
    return sent.combine_chunks()
