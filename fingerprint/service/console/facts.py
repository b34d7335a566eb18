"""What may be told of families at a glance: nothing that few accounts sent."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from fingerprint.assessment.campaign_names import asks_for
from fingerprint.discovery.asked import telling
from fingerprint.domain.profile import merged
from fingerprint.domain.signature import Signature, Slot

MAX_SCRIPTS, MOST_NAMED = 3, 5


def facts_of(signatures: Sequence[Signature]) -> list[tuple[str, str]]:
    """Return names and words: what families ask for, how they are written, what their slots are filled with."""
    wanted = Counter(filter(None, (asks_for(s.reasons) for s in signatures)))
    profile = merged([s.profile for s in signatures if s.profile is not None], MOST_NAMED)
    beside = dict(profile.facts()) if profile is not None else {}
    facts = [
        (
            "asks for",
            ", ".join(word for word, _ in wanted.most_common(3)) or "nothing that the catalogue knows",
        ),
        ("written in", beside.pop("languages", "") or _scripts(signatures)),
        *beside.items(),
        ("filled with", _slots([p for s in signatures for p in s.template.parts if isinstance(p, Slot)])),
        ("matched by", ", ".join(Counter(_matched(signatures)))),
    ]
    return [(name, words) for name, words in facts if words]


def _scripts(signatures: Sequence[Signature]) -> str:
    """Name the scripts of the templates' letters, the commonest first."""
    letters = Counter(
        unicodedata.name(c, "?").split()[0].capitalize()
        for s in signatures
        for segment in s.template.segments
        for c in segment.text[:2_000]
        if c.isalpha()
    )
    whole = sum(letters.values())
    names = [name for name, count in letters.most_common(MAX_SCRIPTS) if count >= 0.05 * whole]
    return f"{', '.join('Chinese' if name == 'Cjk' else name for name in names)} letters" if names else ""


def _slots(slots: Sequence[Slot]) -> str:
    if not slots:
        return "no slots: the same text each time"
    shortest, longest = min(s.shortest for s in slots), max(s.longest for s in slots)
    kinds = Counter(s.kind for s in slots)
    most = max(slots, key=lambda s: s.distinct)
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    return f"{listed} slot{'s' if len(slots) > 1 else ''} of {shortest:,} to {longest:,} characters, up to {most.count} different values"


def _matched(signatures: Sequence[Signature]) -> list[str]:
    told = telling([s.template for s in signatures])
    words = {"template": "its text", "reworded": "its meaning, in any words", "topical": "its subject"}
    return [
        words[s.kind]
        if len(segments) == len(s.template.segments)
        else "its text in users' turns, not by its system prompt alone"
        for s, segments in zip(signatures, told, strict=True)
    ]
