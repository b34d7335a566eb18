"""Lets numba compile a kernel again when anything changes that is compiled into it, not just its own file.

numba keeps a compiled function with a hash of the function's file. But the code of all that it calls is in it, and what it takes
from other files as constants; where only those change, as with an update, it would go on as it was. numba's cache
locators find the folder for a function's compiled forms and have the stamp of its source; these have one of all that its
file imports.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from numba.core import config
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

from fingerprint.base.source_stamp import stamp

_PACKAGE = Path(__file__).parents[1]

_OTHERS = (
    "UserProvidedCacheLocator",
    "InTreeCacheLocator",
    "UserWideCacheLocator",
    "IPythonCacheLocator",
    "ZipCacheLocator",
)
"""numba's own locators, in its order, for the functions of other packages."""


class _OfThisPackage:
    """Finds functions of this package only, and has the stamp of all that their file imports of it."""

    _py_file: str

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        """Return a locator of this kind, None for a function of another package or where this kind has no folder."""
        inside = Path(py_file).is_relative_to(_PACKAGE)
        return cast(Any, super()).from_function(py_func, py_file) if inside else None

    def get_source_stamp(self) -> bytes:
        return stamp(Path(self._py_file))


class InGivenFolder(_OfThisPackage, UserProvidedCacheLocator):
    """Keeps kernels where NUMBA_CACHE_DIR says."""


class BesideSource(_OfThisPackage, InTreeCacheLocator):
    """Keeps kernels in `__pycache__`."""


class InUsersFolder(_OfThisPackage, UserWideCacheLocator):
    """Keeps kernels in the user's cache folder."""


def use_stamps() -> None:
    """Have numba stamp the kernels that are decorated from now on, unless its user chose other locators."""
    settings = cast(Any, config)
    if not settings.CACHE_LOCATOR_CLASSES:
        ours = (
            f"{kind.__module__}.{kind.__qualname__}" for kind in (InGivenFolder, BesideSource, InUsersFolder)
        )
        settings.CACHE_LOCATOR_CLASSES = ",".join((*ours, *_OTHERS))
