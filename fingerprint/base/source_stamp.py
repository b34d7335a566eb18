"""Says which source a module is made of: its own file, and whatever of this package it imports, directly or through others."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_NAME = re.escape(_PACKAGE.name)
_IMPORT = re.compile(rf"^(?:from ({_NAME}[.\w]*) import (\([^)]*\)|.*)|import ({_NAME}[.\w]*))", re.MULTILINE)
"""An import at the top of a module; what is imported further inside, no kernel sees."""


@functools.cache
def stamp(file: Path) -> bytes:
    """Return a hash (32 bytes) of a module's file of this package and of all that it imports of it, wherever it is installed."""
    found, left = {file}, [file]
    while left:
        new = _read(left.pop())[1] - found
        found |= new
        left += new
    whole = hashlib.sha256()
    for each in sorted(found):
        whole.update(_read(each)[0])
    return whole.digest()


@functools.cache
def _read(file: Path) -> tuple[bytes, frozenset[Path]]:
    """Return a file's hash, and the files of the modules that it imports of this package."""
    source = file.read_bytes()
    modules = {(module or origin, names) for origin, names, module in _IMPORT.findall(source.decode())}
    return hashlib.sha256(source).digest(), frozenset(file for each in modules for file in _imported(*each))


@functools.cache
def _imported(module: str, names: str) -> list[Path]:
    """Return the file of a module, or those of the modules of a folder that are named."""
    place = _PACKAGE.parent.joinpath(*module.split("."))
    if not place.is_dir():
        return [place.with_suffix(".py")]
    files = (place / f"{name}.py" for name in ("__init__", *re.findall(r"\w+", names)))
    return [file for file in files if file.exists()]
