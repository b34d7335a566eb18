"""How the rows of one file are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fingerprint.domain.errors import UsageError
from fingerprint.domain.reading import Reading
from fingerprint.traffic.content import NO_ROLES, Roles
from fingerprint.traffic.field_paths import Steps, compile_mapping
from fingerprint.traffic.row_plan import KNOWN_KEYS
from fingerprint.traffic.timestamps import EXPECTED, utc_values


@dataclass(frozen=True, slots=True)
class RowReading:
    """A `Reading` as the rows of one file are read by it.

    file: its name, for ids that are unique in it only. beside: what is said of all its rows, and not in them.
    """

    mapping: dict[str, Steps] = field(default_factory=dict)
    account: str | None = None
    time: str | None = None
    roles: Roles = NO_ROLES
    shared: tuple[str, ...] = ()
    file: str | None = None
    beside: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, reading: Reading) -> RowReading:
        """Compile a reading; raises UsageError for a bad mapping or time."""
        if reading.time is not None and utc_values([reading.time]).null_count:
            raise UsageError(f"--time: {EXPECTED}, {reading.time!r} found")
        return cls(
            compile_mapping(reading.mapping),
            reading.account,
            reading.time,
            frozenset(reading.roles),
            reading.shared,
        )

    def in_file(self, file: str | None, partitions: Mapping[str, str]) -> RowReading:
        """Return the reading of a file's rows; partitions: what its folders say of them all."""
        wanted = {str(steps[0]) for steps in self.mapping.values()} | {*self.shared}
        beside = {k: v for k, v in partitions.items() if k in KNOWN_KEYS or k in wanted}
        return replace(self, file=file, beside=beside)

    @property
    def is_plain(self) -> bool:
        """Whether rows of our own say all there is to know."""
        return not (self.mapping or self.account or self.time or self.shared or self.beside)
