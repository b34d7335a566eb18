"""What a table says of one kind of log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fingerprint.traffic.field_paths import Json

Paths = tuple[str, ...]
"""Paths as `--map` takes them, in the order they are tried: the first that holds something counts."""


def is_request(_: Json) -> bool:
    """Tell that a row of a log that holds nothing but requests is one."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFormat:
    """How the rows of one kind of log are known, and where in them a request's fields stand.

    known_by: a row that has all the keys of one of these groups is of this kind; the key that fewest others have
    stands first. Without any, no row is said to be of it, and its paths are only tried where those of the row's own
    kind find nothing, as those of all kinds are.
    split: the rows inside one object of the file, for formats that put many into one or write one in pieces; what it
    gives may be of another format, and is split again.
    is_request: False for rows that are no request to a model, which are left out without a word; told_by: names of the
    texts in a row that it reads, where it reads nothing else.
    wrappers: where the provider's request lies if the row is not itself one: an object, or the JSON of one.
    texts, systems: keys, in the row or in what it wraps, of what users and what the system say; all of them are read.
    private: the keys of `texts` mean something else in other logs, and are looked for in rows of this kind alone.
    beside: the keys of `texts` and `systems` mean something else in other rows, and are read where one of these is, too.
    tools, parameters: keys of tool definitions, and of objects that hold a model's parameters.
    request_id: where the id stands; file_ids: it is unique in its file only.
    account_id: who answers for the request, an organisation before a team before a key.
    end_user: whom the sender names as its own user; the account of a request that has no other.
    lacks: which of account_id and timestamp such logs never have, so that whoever reads them must say.
    metadata: paths of the fields that the evidence uses (field_paths.META_FIELDS).
    """

    name: str
    known_by: tuple[tuple[str, ...], ...] = ()
    split: Callable[[Json], list[Any]] | None = None
    is_request: Callable[[Json], bool] = is_request
    told_by: tuple[str, ...] = ()
    wrappers: Paths = ()
    texts: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    private: bool = False
    beside: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    request_id: Paths = ()
    file_ids: bool = False
    account_id: Paths = ()
    end_user: Paths = ()
    timestamp: Paths = ()
    lacks: tuple[str, ...] = ()
    model: Paths = ()
    metadata: Mapping[str, Paths] = field(default_factory=dict)

    @property
    def told_by_shape(self) -> bool:
        """Whether a row's names, kinds of values and texts of `told_by` say if it is a request."""
        return self.is_request is is_request or bool(self.told_by)
