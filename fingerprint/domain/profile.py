"""What a family's requests are like beside their text: languages, models asked for, tools; in shares, of many accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

OTHER = "other"
"""What fewer accounts sent than may be named, or what stands after the largest shares."""

NOT_STATED = "not stated"

NO_TOOLS = "none"


@dataclass(frozen=True, slots=True)
class Share:
    """A value, and the share that has it, 0 to 1."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A family's conversations on the last night that saw it; the largest shares first, empty where nothing is known.

    models: asked for. tools: sets of tools, each named by a hash of it; tool_sets: how many different ones. languages: of
    a sample of the prompts.
    """

    conversations: int
    models: tuple[Share, ...] = ()
    languages: tuple[Share, ...] = ()
    tools: tuple[Share, ...] = ()
    tool_sets: int = 0

    def facts(self) -> list[tuple[str, str]]:
        """Tell it in words: names of facts, and what they are."""
        told = [
            ("languages", listed(self.languages)),
            ("models", listed(self.models)),
            ("tools", listed(self.tools, _set_words)),
        ]
        if self.tool_sets > 1:
            told[2] = ("tools", f"{self.tool_sets:,} different sets: {told[2][1]}")
        return [(name, words) for name, words in told if words]


def listed(shares: Sequence[Share], words: Callable[[str], str] = str) -> str:
    """Tell shares in words; one that is all is only named."""
    if len(shares) == 1:
        return words(shares[0].name)
    return ", ".join(f"{words(s.name)} {_percent(s.share)}" for s in shares)


def largest(shares: Iterable[Share], most: int) -> tuple[Share, ...]:
    """Return the largest shares, largest first; the others are one, last, as is what is OTHER already."""
    ranked = sorted((s for s in shares if s.name != OTHER and s.share > 0), key=lambda s: (-s.share, s.name))
    other = sum(s.share for s in shares if s.name == OTHER) + sum(s.share for s in ranked[most:])
    return (*ranked[:most], *((Share(OTHER, other),) if other > 1e-9 else ()))


def merged(profiles: Sequence[Profile], most: int) -> Profile | None:
    """Return the profile of several families together, each as weighty as its conversations; None of none."""
    if not profiles:
        return None

    def together(kind: Callable[[Profile], tuple[Share, ...]]) -> tuple[Share, ...]:
        stating = [p for p in profiles if kind(p)]
        whole = max(sum(p.conversations for p in stating), 1)
        sums: dict[str, float] = {}
        for profile in stating:
            for one in kind(profile):
                sums[one.name] = sums.get(one.name, 0.0) + one.share * profile.conversations / whole
        return largest([Share(name, share) for name, share in sums.items()], most)

    return Profile(
        conversations=sum(p.conversations for p in profiles),
        models=together(lambda p: p.models),
        languages=together(lambda p: p.languages),
        tools=together(lambda p: p.tools),
        tool_sets=max(p.tool_sets for p in profiles),
    )


def to_json(profile: Profile | None) -> dict[str, Any] | None:
    """Return a profile as a JSON object."""
    return None if profile is None else asdict(profile)


def from_json(values: Mapping[str, Any] | None) -> Profile | None:
    """Return the profile of which `to_json` made this."""
    if values is None:
        return None
    shares = {name: tuple(Share(**s) for s in values[name]) for name in ("models", "languages", "tools")}
    return Profile(values["conversations"], tool_sets=values["tool_sets"], **shares)


def _set_words(name: str) -> str:
    return name if name in (NO_TOOLS, OTHER) else f"set {name[:8]}"


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"
