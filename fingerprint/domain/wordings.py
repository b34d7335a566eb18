"""Which family a wording belongs to, where wordings say of each other what they are wordings of."""

from __future__ import annotations

from collections.abc import Mapping

from fingerprint.domain.errors import InputError


def root_of(family: str, original_of: Mapping[str, str | None]) -> str | None:
    """Return the family that a wording belongs to in the end; None where it is no wording of a known family.

    original_of: of each known family the one that it says it is a wording of, if any. Raises InputError where that goes
    round in a circle.
    """
    passed = [family]
    while (above := original_of[passed[-1]]) is not None and above in original_of:
        passed.append(above)
        if above in passed[:-1]:
            raise InputError(
                f"signature.variant_of: a family that is no wording itself expected, {' → '.join(passed)} found"
            )
    return passed[-1] if len(passed) > 1 else None
