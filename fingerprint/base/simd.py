"""Looks at many bytes at once, by the processor's vector instructions, where numba's loops look at one."""

# numba hands every intrinsic its typing context, and takes the names of arguments from the signature
# ruff: noqa: ARG001

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

intrinsic = cast(Any, _intrinsic)  # mypy would count the typing context among the arguments

WIDE = 64
"""Bytes that `within` looks at; nothing here may be asked about bytes behind the end of an array."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)

_LINE = 64  # bytes that come from memory at once


def aligned(rows: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros (rows, columns) that begin where a line of the processor's cache does."""
    size = rows * columns * np.dtype(dtype).itemsize
    room = np.zeros(size + _LINE, np.uint8)
    first = -room.ctypes.data % _LINE
    return room[first : first + size].view(dtype).reshape(rows, columns)


def _at(context: Any, builder: Any, kind: Any, value: Any, place: Any, what: ir.Type) -> Any:
    """Load what lies at a place in an array of bytes, which need not be aligned."""
    data = context.make_array(kind)(context, builder, value).data
    pointer = builder.bitcast(builder.gep(data, [place]), what.as_pointer())
    return builder.load(pointer, align=1)


def _all(builder: Any, byte: Any) -> Any:
    """Return a vector that has this byte everywhere."""
    lanes, numbers = ir.VectorType(_BYTE, WIDE), ir.VectorType(ir.IntType(32), WIDE)
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(lanes, ir.Undefined), ir.Constant(numbers, [0] * WIDE))


@intrinsic
def eight(typingctx: Any, data: Any, i: Any) -> Any:
    """Return the uint64 whose lowest byte is data[i] and whose highest data[i + 7]."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _at(context, builder, signature.args[0], args[0], args[1], _WORD)

    return types.uint64(data, types.intp), build


@intrinsic
def within(typingctx: Any, data: Any, i: Any, first: Any, last: Any) -> Any:
    """Return a uint64 that has a bit for each of the 64 bytes from data[i] on, set where it is `first` to `last`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = ir.VectorType(_BYTE, WIDE)
        block = _at(context, builder, signature.args[0], args[0], args[1], lanes)
        first, last = (builder.trunc(bound, _BYTE) for bound in args[2:])
        number = builder.sub(block, _all(builder, first))
        inside = builder.icmp_unsigned("<=", number, _all(builder, builder.sub(last, first)))
        return builder.bitcast(inside, _WORD)

    return types.uint64(data, types.intp, types.intp, types.intp), build


@intrinsic
def shift_capitals(typingctx: Any, target: Any, o: Any, data: Any, i: Any, by: Any) -> Any:
    """Write the 64 bytes from data[i] on to target[o] on, those of A to Z with `by` added: 32 makes them small letters."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = ir.VectorType(_BYTE, WIDE)
        block = _at(context, builder, signature.args[2], args[2], args[3], lanes)
        number = builder.sub(block, _all(builder, ir.Constant(_BYTE, ord("A"))))
        capital = builder.icmp_unsigned("<=", number, _all(builder, ir.Constant(_BYTE, ord("Z") - ord("A"))))
        more = builder.select(
            capital, _all(builder, builder.trunc(args[4], _BYTE)), ir.Constant(lanes, [0] * WIDE)
        )
        out = context.make_array(signature.args[0])(context, builder, args[0]).data
        to = builder.bitcast(builder.gep(out, [args[1]]), lanes.as_pointer())
        builder.store(builder.add(block, more), to, align=1)
        return context.get_dummy_value()

    return types.void(target, types.intp, data, types.intp, types.intp), build


@intrinsic
def lowest(typingctx: Any, bits: Any) -> Any:
    """Return the place of the lowest bit that is set, 64 if none is."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


@intrinsic
def copy(typingctx: Any, target: Any, o: Any, data: Any, i: Any, size: Any) -> Any:
    """Copy so many bytes from data[i] on to target[o] on; they must not overlap."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, at = (
            builder.gep(context.make_array(signature.args[n])(context, builder, args[n]).data, [args[n + 1]])
            for n in (0, 2)
        )
        cast(Any, cgutils).raw_memcpy(builder, to, at, args[4], 1)
        return context.get_dummy_value()

    return types.void(target, types.intp, data, types.intp, types.intp), build
