"""Large things that one step hands to the next, and that nobody keeps."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Once(Generic[Item]):
    """Holds something until it is taken: what waits for it may be referred to for longer, as a future's result is."""

    def __init__(self, item: Item) -> None:
        self._items = [item]

    def take(self) -> Item:
        """Return it, and keep it no more; raises IndexError at a second call."""
        return self._items.pop()
