"""Where in a request a text stood: marks at the beginnings of its parts, which matching does not see.

The system prompt and each user turn are sections by themselves. What stands in them otherwise (a document in a user's
turn, tool definitions before the system prompt) begins with a mark that names it, and so does what follows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from fingerprint.domain.schemas import SECTION_MARK
from fingerprint.domain.vocabulary import SECTIONS, Section


def marked(section: Section, text: str) -> str:
    """Return a text that is said to stand in a section; its own marks are of parts within it."""
    return f"{SECTION_MARK * (SECTIONS.index(section) + 1)}{text}" if text else ""


def own_text(text: str) -> str:
    """Return a text as somebody wrote it, less what would be read as marks."""
    return text.replace(SECTION_MARK, "") if SECTION_MARK in text else text


def joined(texts: Iterable[str], usual: Section) -> str:
    """Join parts, a line each; usual: where those without a mark stand."""
    texts = [text for text in texts if text]
    whole = "\n".join(texts)
    if SECTION_MARK not in whole:
        return whole
    parts: list[str] = []
    elsewhere = False
    for text in texts:
        has_mark = SECTION_MARK in text
        if elsewhere and not text.startswith(SECTION_MARK):
            text = marked(usual, text)
        parts.append(text)
        elsewhere = elsewhere or has_mark
    return "\n".join(parts)
