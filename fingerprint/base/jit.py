"""How numba compiles the functions that go over texts and numbers one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.registry import cpu_target

from fingerprint.base.kernel_locators import use_stamps

__all__ = ["inlined", "kernel", "kernel_with", "load_target", "njit", "read_only"]

use_stamps()  # before the first kernel

Scalar = TypeVar("Scalar", bound=np.generic)
Function = TypeVar("Function", bound=Callable[..., Any])


def kernel_with(**options: Any) -> Callable[[Function], Function]:
    """Compile as `kernel` does, with more of numba's options."""
    # why without numba's runtime: D-122; nobody calls a kernel from C, through a wrapper of its own (D-389)
    compiled = njit(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True, **options)  # type: ignore[call-overload]
    return cast("Callable[[Function], Function]", compiled)


def kernel(function: Function) -> Function:
    """Compile a function that makes no arrays, and returns none but what it was given.

    Such functions need not count references to arrays, which numba does for every array at every call, by locked
    instructions that cost more than the calls themselves. What makes arrays is `njit` as usual.
    """
    compiled: Callable[[Function], Function] = kernel_with()
    return compiled(function)


def inlined(function: Function) -> Function:
    """Compile a small function inside the kernel that calls it, in one place; why small: D-389."""
    compiled: Callable[[Function], Function] = kernel_with(inline="always")
    return compiled(function)


def read_only(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Close an array to writing, as those of mapped files are: for one that is not, numba compiles all kernels anew."""
    array.flags.writeable = False
    return array


def load_target() -> None:
    """Import what numba imports at the first call of a kernel, so that no two threads do so at once."""
    cpu_target.target_context.refresh()
