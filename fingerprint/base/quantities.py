"""Numbers with their units, for people."""

from __future__ import annotations


def bytes_words(size: float) -> str:
    """Say a number of bytes: 512 B, 1.2 MB; a thousand of one unit is one of the next."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:,.0f} B"


def count_words(number: int, one: str, many: str | None = None) -> str:
    """Say how many there are: 1 family, 1,200 families; many: the plural, where it is not `one` and an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
