"""How this process takes memory and gives it back: set once, before the heavy libraries are loaded (D-124)."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys

NEW_OBJECTS = 100_000
"""Objects made before the collector looks for garbage: what is imported and read stays, and is looked at in vain."""

_TRIM, _TOP_PAD, _MMAP, _ARENAS = -1, -2, -3, -8
_MB = 1 << 20
_MALLOC = ((_ARENAS, 1), (_MMAP, 32 * _MB), (_TRIM, 512 * _MB), (_TOP_PAD, 16 * _MB))
"""Options of mallopt(3): threads share one heap, and what a batch gave back serves the next one.

By default every thread has a heap, every large array is new memory, and the system clears each of its pages.
"""


_THREADS = (("OPENBLAS_NUM_THREADS", "1"), ("OMP_WAIT_POLICY", "passive"))
"""Read when NumPy and FAISS are imported: threads of a library that wait for work awake take processors from ours (D-208).

NumPy's products are small, or made by threads of ours. FAISS keeps its threads, which sleep until there is work.
"""


_POOL = ("ARROW_DEFAULT_MEMORY_POOL", "system")
"""Read when Arrow is imported: it takes memory from the heap, which is kept, where its own pool gives it back at once (D-383)."""


def settle() -> None:
    """Let memory be used again, where the C library is one that can be told so, and no thread wait awake."""
    gc.set_threshold(NEW_OBJECTS)
    for name, wanted in _THREADS:
        os.environ.setdefault(name, wanted)
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return
    for option, value in _MALLOC:
        mallopt(option, value)
    os.environ.setdefault(*_POOL)


def give_back() -> None:
    """Give the free pages of the heap back to the system, where the C library can: what comes next needs others (D-317)."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def peak_memory() -> int:
    """Return the most bytes of memory that this process has taken so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def leave() -> None:
    """Let the interpreter end without a last look for garbage, which takes half a second after a night."""
    gc.freeze()
