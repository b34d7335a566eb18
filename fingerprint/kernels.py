"""How numba compiles the functions that go over texts and numbers one by one."""

from __future__ import annotations

from functools import partial

from numba import njit

kernel = partial(njit, cache=True, nogil=True, _nrt=False)
"""For functions that make no arrays, and return none but what they were given.

They need not count references to arrays, which numba does for every array at every call, by locked instructions that
cost more than the calls themselves: without it texts are read in half the time. What makes arrays is `njit` as usual.
"""
