"""Every error this package raises on purpose.

FingerprintError                 exit 1   anything below
├── UsageError                   exit 2   an argument or a setting is wrong
├── InputError                   exit 3   traffic cannot be read
│   └── TooManyRejects           exit 3   more bad lines than --max-rejects
├── StampMismatch                exit 4   the home was made by another model or normaliser
├── StoreError                   exit 5   the database or the home cannot be read or written
│   ├── HomeLocked               exit 5   another job is running on this home
│   └── SnapshotError            exit 5   an index snapshot is missing or damaged
├── ModelError                   exit 6   the embedding model cannot be loaded
├── EngineError                  exit 1   a cluster cannot be reached, or gave up on its work
├── NotFound                     exit 7   no such family, campaign, account or key
└── Conflict                     exit 1   somebody else changed it first
"""


class FingerprintError(Exception):
    """Base of all errors of this package; `exit_code` is the CLI's exit status."""

    exit_code = 1


class UsageError(FingerprintError):
    """An argument or a setting is wrong."""

    exit_code = 2


class InputError(FingerprintError):
    """Traffic cannot be read."""

    exit_code = 3


class TooManyRejects(InputError):
    """More lines were rejected than the operator allows."""


class DoubtfulTraffic(FingerprintError):
    """Traffic was read, but something about it is odd, and the operator wants to look first."""

    exit_code = 8


class StampMismatch(FingerprintError):
    """Stored signatures were made by another model or normaliser than the one in use."""

    exit_code = 4


class StoreError(FingerprintError):
    """The database or the home directory cannot be read or written."""

    exit_code = 5


class HomeLocked(StoreError):
    """Another job works on this home."""


class SnapshotError(StoreError):
    """An index snapshot is missing or damaged."""


class ModelError(FingerprintError):
    """The embedding model cannot be loaded."""

    exit_code = 6


class EngineError(FingerprintError):
    """A cluster cannot be reached, is made of other versions, or gave up on a piece of work."""


class NotFound(FingerprintError):
    """There is no family, campaign, account or key of that id."""

    exit_code = 7


class Conflict(FingerprintError):
    """Somebody else changed it since it was read."""
