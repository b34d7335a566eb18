"""Where numba keeps compiled kernels, if this program lies where its user cannot write.

numba takes the `__pycache__` beside a module, else the user's cache folder, and refuses to load a kernel where it can write
to neither, as a service without a home directory. Then the kernels of this process go to a folder that ends with it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def choose(package: Path) -> None:
    """Name a folder for this process's kernels where numba would find none; `package`: the folder of all modules."""
    if VARIABLE in os.environ or writable(package / "base") or writable(users()):
        return
    try:
        folder = tempfile.mkdtemp(prefix="fingerprint-kernels-")
    except OSError:  # numba says what it misses
        return
    os.environ[VARIABLE] = folder
    atexit.register(_end, folder, os.getpid())


def users() -> Path:
    """Return this user's cache folder, an empty path where nobody knows one."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) if _has_home() else Path()


def _has_home() -> bool:
    try:
        return bool(os.environ.get("XDG_CACHE_HOME")) or Path("~").expanduser().is_absolute()
    except RuntimeError:  # nobody knows this user's home
        return False


def writable(folder: Path) -> bool:
    """Tell whether a folder, or the nearest one above it that is there, can be written."""
    if not folder.is_absolute():
        return False
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _end(folder: str, process: int) -> None:
    if os.getpid() != process:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if "numba" in sys.modules:
        sys.stderr.write(
            "fingerprint: kernels were compiled for this run only, for neither the program's folder nor a cache folder of "
            f"this user can be written; {VARIABLE} may name one\n"
        )
