"""The kernels of int8 networks, for processors with AVX2."""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from shufflenet.native._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT16,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.native._kernels import CLASSES, Kernels, filled
from shufflenet.native._layers import Floats, Weights
from shufflenet.native._memory import Array
from shufflenet.native._moves import window

__all__ = ["Int8Kernels"]

_LANES, _COLUMNS = 16, 8
_BYTES16, _BYTES32 = (ir.VectorType(BYTE, lanes) for lanes in (16, 32))
_SHORTS8, _SHORTS16 = (ir.VectorType(INT16, lanes) for lanes in (8, 16))
_SUMS, _FLOATS8 = ir.VectorType(INT32, 8), ir.VectorType(FLOAT, 8)
# AVX2 packs and unpacks each half of a vector by itself: two vectors of sums that are packed to 16
# channels in order, or were unpacked from such, hold these.
_LOW, _HIGH = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
_LARGEST = 255.0


class Int8Kernels(Kernels):
    """The kernels of networks whose maps are bytes, 0 to 255, and whose weights are int8.

    A step of a product multiplies four bytes of a pixel by four weights of each channel. Two
    neighbouring products are added in 16 bits, which holds them if such weights of one sign sum to
    128 at most: ``steps`` are of weights that do.

    Args:
        module: Where they are written to.
    """

    dtype = np.uint8
    odd = 1
    unrolled = 1  # more would leave LLVM too few registers

    def __init__(self, module: ir.Module) -> None:
        super().__init__(
            module,
            BYTE,
            _LANES,
            columns=_COLUMNS,
            words=INT32,
            most_pixels={2: 5, 1: 10, CLASSES: 1},
            ends=2,
        )

    def vectors(self, channels: int) -> int:
        return -(-channels // _LANES)

    def steps(self, read: int) -> int:
        return -(-read // 4)

    def packed(self, weight: Weights, widths: Sequence[int]) -> Array:
        read, made = weight.shape
        wide = np.pad(weight, [(0, -read % 4), (0, sum(widths) - made)])
        # (in / 4, 4, out) to (in / 4, out, 4)
        steps = wide.reshape(-1, 4, sum(widths)).swapaxes(1, 2)[:, _order(widths)]
        parts = np.split(steps, np.cumsum(widths)[:-1], axis=1)
        return np.concatenate([np.ascontiguousarray(part).ravel() for part in parts])

    def ends(self, scale: Floats | None, bias: Floats, widths: Sequence[int]) -> Floats:
        order = _order(widths)
        factors = np.ones_like(bias) if scale is None else scale
        both = [filled(values, sum(widths))[order] for values in (factors, bias)]
        parts = np.split(np.stack(both), np.cumsum(widths)[:-1], axis=1)
        return np.concatenate([part.ravel() for part in parts])

    def filters(self, weight: Weights, channels: int) -> Array:
        """Lay out weights by pairs of taps, each for the two vectors that 16 channels become."""
        pairs = np.pad(weight, [(0, channels - len(weight)), (0, weight.shape[1] % 2)])
        vectors = pairs.astype(np.int16).reshape(-1, _LANES, pairs.shape[1] // 2, 2)
        return vectors[:, _LOW + _HIGH].swapaxes(1, 2)

    def images(self) -> ir.Function:
        def write(f: Function) -> None:
            source, table, made, places, rows, floats, factor, zero = f.arguments
            whole = f.and_(floats, index(-_COLUMNS))

            def bytes_of(values: Value) -> Value:
                scaled = f.multiply_add(values, f.all_of(factor, _FLOATS8), all_zero)
                cut = f.select(f.fcmp_ordered("<", scaled, largest), scaled, largest)
                return _packed(f, [_rounded(f, cut)])

            with f.counting(rows) as row:
                all_zero, largest = f.all_of(zero, _FLOATS8), f.all_of(_LARGEST, _FLOATS8)
                here = f.at(source, f.offset(table, row))
                there = f.at(made, f.offset(places, row))
                with f.counting(whole, step=_COLUMNS) as start:
                    f.keep(bytes_of(f.vector(f.at(here, start), _FLOATS8)), f.at(there, start))
                with f.counting(floats, whole) as start:
                    one = bytes_of(f.all_of(f.load(f.at(here, start)), _FLOATS8))
                    f.store(f.extract_element(one, ir.Constant(INT32, 0)), f.at(there, start))

        takes = (FLOATS, OFFSETS, BYTES, OFFSETS, INDEX, INDEX, FLOAT, FLOAT)
        return self._function("images", takes, write)

    def depthwise(self, kernel: int) -> ir.Function:
        pairs = -(-(kernel**2) // 2)

        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, weights, ends, made, places, floor = (
                f.arguments
            )
            taps = window(f, kernel, row, pitch)
            with f.counting(channels, step=_LANES) as channel:
                own = f.at(weights, f.mul(channel, index(pairs)))
                own_ends = f.at(ends, self._end(f, channel))
                here, there = f.at(source, channel), f.at(made, channel)
                with f.counting(pixels) as pixel:
                    corner = f.at(here, f.offset(windows, pixel))
                    values = [_widened(f, f.at(corner, tap)) for tap in taps]
                    values += [f.all_of(0, _SHORTS16)] * (len(taps) % 2)
                    sums = [f.all_of(0, _SUMS)] * 2
                    for pair in range(pairs):
                        halves = _beside(f, *values[2 * pair : 2 * pair + 2])
                        for number, half in enumerate(halves):
                            at = f.at(own, (2 * pair + number) * _COLUMNS)
                            added = _multiplied(f, half, f.vector(at, _SHORTS16))
                            sums[number] = f.add(sums[number], added)
                    goal = f.at(there, f.offset(places, pixel))
                    self._finish(f, sums, own_ends, floor, goal)

        takes = (
            *(BYTES, OFFSETS, INDEX, INDEX, INDEX, INDEX),
            *(OFFSETS, FLOATS, BYTES, OFFSETS, FLOAT),
        )
        return self._function(f"depthwise_{kernel}", takes, write)

    def mean(self) -> ir.Function:
        def write(f: Function) -> None:
            source, pixels, channels, pitch, share, more, made = f.arguments
            nothing = f.all_of(0, _SHORTS16)
            with f.counting(channels, step=_LANES) as channel:
                rooms = [f.room(_SUMS) for _ in range(2)]
                for room in rooms:
                    f.store(f.all_of(0, _SUMS), room)
                with f.counting(pixels) as pixel:
                    value = _widened(f, f.at(source, f.mul(pixel, pitch), channel))
                    for room, half in zip(rooms, _beside(f, value, nothing), strict=True):
                        f.store(f.add(f.load(room), f.bitcast(half, _SUMS)), room)
                factor, offset = f.all_of(share, _FLOATS8), f.all_of(more, _FLOATS8)
                results = [
                    f.multiply_add(f.sitofp(f.load(room), _FLOATS8), factor, offset)
                    for room in rooms
                ]
                codes = [_rounded(f, result) for result in results]
                f.keep(_packed(f, codes), f.at(made, channel))

        takes = (BYTES, INDEX, INDEX, INDEX, FLOAT, FLOAT, BYTES)
        return self._function("mean", takes, write)

    def _begun(
        self, f: Function, pixels: int, vectors: int, ends: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        sums = [[f.room(_SUMS) for _ in range(vectors)] for _ in range(pixels)]
        for room in (room for rooms in sums for room in rooms):
            f.store(f.all_of(0, _SUMS), room)
        return sums

    def _weights(self, f: Function, pointer: Value) -> Value:
        return f.vector(pointer, _BYTES32)

    def _value(self, f: Function, row: Value, step: Value) -> Value:
        word = f.word(f.at(row, f.mul(step, index(4))), INT32)
        return f.bitcast(f.all_of(word, _SUMS), _BYTES32)

    def _sum(self, f: Function, value: Value, weight: Value, before: Value) -> Value:
        pairs = f.intrinsic("x86.avx2.pmadd.ub.sw", _SHORTS16, value, weight)
        return f.add(before, _multiplied(f, pairs, f.all_of(1, _SHORTS16)))

    def _finish(
        self, f: Function, sums: Sequence[Value], ends: Value, floor: Value, goal: Value
    ) -> None:
        width, results = len(sums) * _COLUMNS, []
        for start, total in zip(range(0, width, _COLUMNS), sums, strict=True):
            scale, bias = (f.vector(f.at(ends, at), _FLOATS8) for at in (start, width + start))
            results.append(f.multiply_add(f.sitofp(total, _FLOATS8), scale, bias))
        if goal.type == FLOATS:
            for number, result in enumerate(_in_order(f, results)):
                f.keep(result, f.at(goal, number * _COLUMNS))
        else:
            packed = _packed(f, [_rounded(f, result) for result in results])
            least = f.all_of(f.fptoui(floor, BYTE), packed.type)
            f.keep(f.largest(packed, least), goal)


def _order(widths: Sequence[int]) -> list[int]:
    """Say which channel stands where: as packing two vectors needs it, or one by itself.

    >>> _order([16, 8])
    [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]
    """
    sixteens = sum(widths) // _LANES
    order = [_LANES * n + lane for n in range(sixteens) for lane in _LOW + _HIGH]
    return [*order, *range(_LANES * sixteens, sum(widths))]


def _in_order(f: Function, values: Sequence[Value]) -> list[Value]:
    """Take pairs of vectors from ``_LOW`` and ``_HIGH`` to the order of channels."""
    if len(values) == 1:
        return list(values)
    firsts, seconds = ([*range(half, half + 4), *range(half + 8, half + 12)] for half in (0, 4))
    pairs = zip(values[::2], values[1::2], strict=True)
    return [f.chosen(*pair, lanes) for pair in pairs for lanes in (firsts, seconds)]


def _widened(f: Function, pointer: Value) -> Value:
    """Load 16 bytes as numbers of 16 bits."""
    return f.zext(f.vector(pointer, _BYTES16), _SHORTS16)


def _beside(f: Function, a: Value, b: Value) -> tuple[Value, Value]:
    """Put each channel's two numbers beside each other: of channels ``_LOW``, and of ``_HIGH``."""
    low, high = (
        f.chosen(a, b, [lane + both for lane in lanes for both in (0, 16)])
        for lanes in (_LOW, _HIGH)
    )
    return low, high


def _multiplied(f: Function, a: Value, b: Value) -> Value:
    """Multiply numbers of 16 bits, and add neighbouring products."""
    return f.intrinsic("x86.avx2.pmadd.wd", _SUMS, a, b)


def _rounded(f: Function, values: Value) -> Value:
    """Round to the nearest number of 32 bits, a half to the even."""
    return f.intrinsic("x86.avx.cvt.ps2dq.256", _SUMS, values)


def _packed(f: Function, codes: Sequence[Value]) -> Value:
    """Pack one vector to eight bytes, or two, of ``_LOW`` and ``_HIGH``, to 16.

    What lies beyond 0 or 255 is cut off.
    """
    shorts = f.intrinsic("x86.avx2.packssdw", _SHORTS16, codes[0], codes[-1])
    halves = (f.chosen(shorts, shorts, range(start, start + 8)) for start in (0, 8))
    packed = f.intrinsic("x86.sse2.packuswb.128", _BYTES16, *halves)
    return packed if len(codes) > 1 else f.chosen(packed, packed, [0, 1, 2, 3, 8, 9, 10, 11])
