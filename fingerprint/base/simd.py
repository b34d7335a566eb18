"""Looks at many bytes or numbers at once, by the processor's vector instructions, where numba's loops look at one."""

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

from fingerprint.base.jit import kernel_with

intrinsic = cast(Any, _intrinsic)  # mypy would count the typing context among the arguments

WIDE = 64
"""Bytes that `within` looks at; nothing here may be asked about bytes behind the end of an array."""

LANES = 16
"""Floats that `sum_rows` and `product` take at once."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)

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


def _floats(context: Any, builder: Any, kind: Any, value: Any, place: Any) -> Any:
    """Return a pointer to LANES floats of an array, which need not be aligned."""
    data = context.make_array(kind)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [place]), _FLOATS.as_pointer())


@intrinsic
def sum_rows(typingctx: Any, table: Any, rows: Any, first: Any, last: Any, column: Any, out: Any) -> Any:
    """Write the sum of table[row, column : column + LANES] over rows[first:last] to out[column : column + LANES].

    table: (t, c) int16, rows: int32, out: (o,) float32, all contiguous; c and o hold these columns. Of up to 65,536 rows.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds, wide = signature.args, context.get_value_type(types.intp)
        columns = builder.extract_value(context.make_array(kinds[0])(context, builder, args[0]).shape, 1)
        numbers = context.make_array(kinds[1])(context, builder, args[1]).data
        integers, short = (ir.VectorType(ir.IntType(bits), LANES) for bits in (32, 16))
        total = cast(Any, cgutils).alloca_once_value(builder, ir.Constant(integers, [0] * LANES))
        with cast(Any, cgutils).for_range_slice(builder, args[2], args[3], ir.Constant(wide, 1)) as (n, _):
            row = builder.sext(builder.load(builder.gep(numbers, [n])), wide)
            place = builder.add(builder.mul(row, columns), args[4])
            values = builder.sext(_at(context, builder, kinds[0], args[0], place, short), integers)
            builder.store(builder.add(builder.load(total), values), total)
        numbers = builder.sitofp(builder.load(total), _FLOATS)
        builder.store(numbers, _floats(context, builder, kinds[5], args[5], args[4]), align=4)
        return context.get_dummy_value()

    return types.void(table, rows, types.intp, types.intp, types.intp, out), build


def _in_all(builder: Any, values: Any) -> Any:
    """Return the sum of the LANES numbers of a vector."""
    half = LANES // 2
    while half:  # the upper half onto the lower one, until one number is left
        lower, upper = (
            ir.Constant(ir.VectorType(ir.IntType(32), half), [start + n for n in range(half)])
            for start in (0, half)
        )
        values = builder.fadd(*(builder.shuffle_vector(values, values, part) for part in (lower, upper)))
        half //= 2
    return builder.extract_element(values, ir.Constant(ir.IntType(32), 0))


@intrinsic
def product(typingctx: Any, a: Any, i: Any, b: Any, k: Any, size: Any) -> Any:
    """Return the inner product of `size` floats of the contiguous float32 arrays a and b, from places i and k on.

    size must be a multiple of LANES; places count through all rows. Sums are taken in another order than one by one.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds, wide = signature.args, context.get_value_type(types.intp)
        total = cast(Any, cgutils).alloca_once_value(builder, ir.Constant(_FLOATS, [0.0] * LANES))
        zero, step = ir.Constant(wide, 0), ir.Constant(wide, LANES)
        with cast(Any, cgutils).for_range_slice(builder, zero, args[4], step) as (at, _):
            mine, other = (
                builder.load(
                    _floats(context, builder, kinds[n], args[n], builder.add(args[n + 1], at)), align=4
                )
                for n in (0, 2)
            )
            builder.store(builder.fadd(builder.load(total), builder.fmul(mine, other)), total)
        return _in_all(builder, builder.load(total))

    return types.float32(a, types.intp, b, types.intp, types.intp), build


@intrinsic
def squares_behind_first(typingctx: Any, values: Any) -> Any:
    """Return the sum of squares of values[1:], contiguous float32, whose length is a multiple of LANES, not 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, wide = signature.args[0], context.get_value_type(types.intp)
        size = builder.extract_value(context.make_array(kind)(context, builder, args[0]).shape, 0)
        start = builder.load(_floats(context, builder, kind, args[0], ir.Constant(wide, 0)), align=4)
        start = builder.insert_element(
            start, ir.Constant(ir.FloatType(), 0.0), ir.Constant(ir.IntType(32), 0)
        )
        total = cast(Any, cgutils).alloca_once_value(builder, builder.fmul(start, start))
        step = ir.Constant(wide, LANES)
        with cast(Any, cgutils).for_range_slice(builder, step, size, step) as (at, _):
            some = builder.load(_floats(context, builder, kind, args[0], at), align=4)
            builder.store(builder.fadd(builder.load(total), builder.fmul(some, some)), total)
        return _in_all(builder, builder.load(total))

    return types.float32(values), build


@kernel_with(fastmath={"nnan", "nsz"})
def highest(rows: npt.NDArray[np.float32], row: int, begin: int, end: int) -> np.float32:
    """Return the highest of rows[row, begin:end], of which there is one at least and none is NaN; the compiler may look at many at once."""
    best = rows[row, begin]
    for column in range(begin + 1, end):
        value = rows[row, column]
        best = value if value > best else best  # noqa: FURB136
    return np.float32(best)
