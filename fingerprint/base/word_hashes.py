"""Hashes several words at once, by the processor's vector instructions: FNV-1a waits for a multiplication at every byte."""

# numba hands every intrinsic its typing context, and takes the names of arguments from the signature
# ruff: noqa: ARG001

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME
from fingerprint.base.simd import intrinsic

_LONG = ir.IntType(64)

_MIXING = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
"""Shifts and factors of `hashing.finalise`, one after the other."""

WORDS = 8
"""Words that `hash_words` hashes at once."""


@intrinsic
def hash_words(
    typingctx: Any, data: Any, row: Any, starts: Any, ends: Any, first: Any, last: Any, out: Any
) -> Any:
    """Write the hashes of the words `first` to `last`, WORDS of them at most, to out[first : first + WORDS].

    Each is FNV-1a of the word's bytes as `hashing.finalise` mixes it. Word n is data[row + starts[n] : row + ends[n]], starts
    and ends are (t,) int32. Eight bytes more than the longest of the words must follow where any begins; what stands in
    `out` behind the last of them means nothing.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = [
            context.make_array(signature.args[n])(context, builder, args[n]).data
            if n in (0, 2, 3, 6)
            else None
            for n in range(7)
        ]
        wide, lanes = context.get_value_type(types.intp), ir.VectorType(_LONG, WORDS)
        zero = ir.Constant(wide, 0)

        def all_lanes(number: int) -> Any:
            return ir.Constant(lanes, [number] * WORDS)

        def put(vector: Any, value: Any, lane: int) -> Any:
            return builder.insert_element(vector, value, ir.Constant(ir.IntType(32), lane))

        text = builder.gep(arrays[0], [args[1]])
        begins, most, sizes = [], zero, ir.Constant(lanes, ir.Undefined)
        for lane in range(WORDS):
            number = builder.add(args[4], ir.Constant(wide, lane))
            number = builder.select(builder.icmp_signed("<", number, args[5]), number, args[5])
            begin, end = (builder.sext(builder.load(builder.gep(arrays[n], [number])), wide) for n in (2, 3))
            size = builder.sub(end, begin)
            most = builder.select(builder.icmp_signed(">", size, most), size, most)
            sizes = put(sizes, size, lane)
            begins.append(builder.gep(text, [begin]))
        total = cast(Any, cgutils).alloca_once_value(builder, all_lanes(int(FNV_OFFSET)))
        left = cast(Any, cgutils).alloca_once_value(builder, sizes)
        with cast(Any, cgutils).for_range_slice(builder, zero, most, ir.Constant(wide, 8)) as (at, _):
            some = ir.Constant(lanes, ir.Undefined)
            for lane, begin in enumerate(begins):
                place = builder.bitcast(builder.gep(begin, [at]), _LONG.as_pointer())
                some = put(some, builder.load(place, align=1), lane)
            hashed, more = builder.load(total), builder.load(left)
            for n in range(8):  # bytes of each word, while there are more
                byte = builder.and_(builder.lshr(some, all_lanes(8 * n)), all_lanes(255))
                mixed = builder.mul(builder.xor(hashed, byte), all_lanes(int(FNV_PRIME)))
                hashed = builder.select(builder.icmp_signed(">", more, all_lanes(n)), mixed, hashed)
            builder.store(hashed, total)
            builder.store(builder.sub(more, all_lanes(8)), left)
        hashed = builder.load(total)
        for shift, factor in _MIXING:
            hashed = builder.xor(hashed, builder.lshr(hashed, all_lanes(shift)))
            hashed = builder.mul(hashed, all_lanes(factor))
        hashed = builder.select(builder.icmp_signed("==", hashed, all_lanes(0)), all_lanes(1), hashed)
        to = builder.bitcast(builder.gep(arrays[6], [args[4]]), lanes.as_pointer())
        builder.store(hashed, to, align=8)
        return context.get_dummy_value()

    return types.void(data, types.intp, starts, ends, types.intp, types.intp, out), build
