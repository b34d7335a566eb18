"""Kernels, and functions that are compiled inside them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.types import IntArray


@inlined
def last(values: IntArray) -> int:
    at = len(values) - 1
    if at < 0:
        return -1
    return int(values[at])


@kernel
def twice_the_last(values: IntArray) -> int:
    return 2 * last(values)


def test_an_inlined_function_is_compiled_inside_its_caller_only() -> None:
    assert [twice_the_last(np.array(values, np.int64)) for values in ([3, 4], [])] == [8, -2]
    assert not cast("Any", last).signatures


def test_a_kernel_has_no_wrapper_for_c() -> None:
    twice_the_last(np.array([1], np.int64))
    made = cast("Any", twice_the_last)
    assert [
        line
        for line in made.inspect_llvm(made.signatures[0]).splitlines()
        if line.startswith("define") and "cfunc" in line
    ] == []
