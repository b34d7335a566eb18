"""Numbers with their units, for people."""

from __future__ import annotations


def bytes_words(size: float) -> str:
    """Say a number of bytes: 512 B, 1.2 MB; a thousand of one unit is one of the next."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:,.0f} B"
