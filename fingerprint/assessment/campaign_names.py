"""What families ask for, read off their reasons, and the names that campaigns get of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from fingerprint.domain.signature import Reason, Signature
from fingerprint.domain.vocabulary import ASKS_FOR, INTENT
from fingerprint.domain.word_pairs import made_name

_ASKS_FOR = re.compile(re.escape(ASKS_FOR).replace(r"\{name\}", "(.+)").replace(r"\{value\}", ".+"))


def asks_for(reasons: Iterable[Reason]) -> str | None:
    """Return what a family asks for, as the catalogue of intents calls it; None where its score has no such reason."""
    for reason in reasons:
        words = _ASKS_FOR.fullmatch(reason.words) if reason.name == INTENT else None
        if words is not None:
            return words[1]
    return None


def family_name(signature: Signature) -> str:
    """Name a family by what it asks for and the two words of its id."""
    return made_name(signature.family_id, asks_for(signature.reasons))


def campaign_name(campaign_id: str, members: Sequence[Signature]) -> str:
    """Name a campaign by what most requests of its families ask for, where that is known, and the two words of its id."""
    requests = Counter[str]()
    for member in members:
        wanted = asks_for(member.reasons)
        if wanted is not None:
            requests[wanted] += member.spread.requests
    most = min(requests, key=lambda wanted: (-requests[wanted], wanted), default=None)
    return made_name(campaign_id, most)
