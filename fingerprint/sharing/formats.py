"""The formats that families are shared in, a row each; to add one, write its file and give it a row here.

Its name goes to `domain.vocabulary` as well, which the command line reads without loading this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fingerprint.domain.vocabulary import ExportFormat
from fingerprint.sharing import misp, nova, own_json, stix, yara
from fingerprint.sharing.rules import RuleItem, Terms


@dataclass(frozen=True, slots=True)
class Format:
    """How families are written.

    suffix: of a file's name. needs_text: families with too little fixed text for a rule are left out.
    write: families of these items, on these terms, as bytes of ASCII, the same for the same families.
    states_terms: whether TLP label, author and tags stand in it; states_intrusion_set: also who is behind a campaign.
    """

    name: ExportFormat
    suffix: str
    media_type: str
    write: Callable[[Sequence[RuleItem], Terms], bytes]
    needs_text: bool = True
    states_terms: bool = True
    states_intrusion_set: bool = False


FORMATS: dict[ExportFormat, Format] = {
    row.name: row
    for row in (
        Format("json", ".jsonl", "application/jsonl", own_json.write, needs_text=False, states_terms=False),
        Format(
            "stix",
            ".stix.json",
            "application/stix+json",
            stix.write,
            needs_text=False,
            states_intrusion_set=True,
        ),
        Format("misp", ".misp.json", "application/json", misp.write),
        Format("nova", ".nov", "text/plain", nova.write),
        Format("yara", ".yar", "text/plain", yara.write),
    )
}
