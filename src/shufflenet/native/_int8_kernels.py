"""The kernels of int8 networks, for processors with AVX2."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from llvmlite import ir

from shufflenet.native._int8_weights import (
    HIGH,
    LOW,
    STEP,
    laid_out,
    laid_out_ends,
    laid_out_filters,
)
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
from shufflenet.native._kernels import CLASSES, Kernels, Kind
from shufflenet.native._layers import LARGEST_BYTE, Floats, Weights
from shufflenet.native._memory import LINE_WORDS, Array
from shufflenet.native._moves import window

__all__ = ["Int8Kernels"]

_LANES, _COLUMNS = 16, 8
_BYTES8, _BYTES16, _BYTES32 = (ir.VectorType(BYTE, lanes) for lanes in (8, 16, 32))
_SHORTS16 = ir.VectorType(INT16, 16)
_SUMS, _FLOATS8 = ir.VectorType(INT32, 8), ir.VectorType(FLOAT, 8)


class Int8Kernels(Kernels):
    """The kernels of networks whose maps are bytes, 0 to 255, and whose weights are int8.

    A step of a product multiplies four bytes of a pixel by four weights of each channel. Two
    neighbouring products are added in 16 bits, which holds them if such weights of one sign sum to
    128 at most, as those of portable files do (``fits``). The sums of two steps are added in 16
    bits, too, where their weights together do.

    Args:
        module: Where they are written to.
    """

    dtype = np.uint8
    odd = 1
    fetches_results = False
    reads_runs = True

    def __init__(self, module: ir.Module) -> None:
        super().__init__(
            module,
            BYTE,
            _LANES,
            columns=_COLUMNS,
            words=INT32,
            most_pixels={2: 5, 1: 5, CLASSES: 1},
            ends=2,
        )

    def vectors(self, channels: int) -> int:
        return -(-channels // _LANES)

    def steps(self, read: int, runs: int = 1) -> int:
        return runs * -(-read // runs // STEP)

    def packed(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        # A classifier waits for its weights: pairs would not make it faster.
        return laid_out(weight, widths, runs, in_pairs=kind != "logits")

    def ends(self, scale: Floats | None, bias: Floats, widths: Sequence[int]) -> Floats:
        return laid_out_ends(np.ones_like(bias) if scale is None else scale, bias, widths)

    def filters(self, weight: Weights, channels: int) -> Array:
        return laid_out_filters(weight, channels)

    def images(self) -> ir.Function:
        def write(f: Function) -> None:
            source, table, made, places, rows, floats, factor, zero = f.arguments
            whole = f.and_(floats, index(-_COLUMNS))

            def bytes_of(values: Value) -> Value:
                scaled = f.multiply_add(values, f.all_of(factor, _FLOATS8), all_zero)
                cut = f.select(f.fcmp_ordered("<", scaled, largest), scaled, largest)
                return _packed(f, [_rounded(f, cut)])

            with f.counting(rows) as row:
                all_zero, largest = (
                    f.all_of(zero, _FLOATS8),
                    f.all_of(float(LARGEST_BYTE), _FLOATS8),
                )
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
            source, windows, pixels, channels, row, pitch, weights, *rest = f.arguments
            ends, made, places, *limits = rest
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
                    self._finish(f, sums, own_ends, limits, goal)

        takes = (
            *(BYTES, OFFSETS, INDEX, INDEX, INDEX, INDEX),
            *(OFFSETS, FLOATS, BYTES, OFFSETS, FLOAT, FLOAT),
        )
        return self._function(f"depthwise_{kernel}", takes, write)

    def mean(self) -> ir.Function:
        def write(f: Function) -> None:
            source, pixels, channels, pitch, share, more, made = f.arguments
            with f.counting(channels, step=_LANES) as channel:
                rooms = [f.room(_SUMS) for _ in range(2)]
                for room in rooms:
                    f.store(f.all_of(0, _SUMS), room)
                with f.counting(pixels) as pixel:
                    own = f.at(source, f.mul(pixel, pitch), channel)
                    for room, value in zip(rooms, _as_sums(f, own, len(rooms)), strict=True):
                        f.store(f.add(f.load(room), value), room)
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

    def _panel_words(self, f: Function, steps: Value, vectors: int) -> Value:
        head = f.and_(f.add(steps, index(LINE_WORDS)), index(-LINE_WORDS))
        return f.add(head, super()._panel_words(f, steps, vectors))

    def _multiply(
        self,
        f: Function,
        steps: Value,
        rows: Sequence[Value],
        weights: Value,
        sums: Sequence[Sequence[Value]],
    ) -> None:
        vectors = len(sums[0])
        width, ones = index(vectors * _COLUMNS), f.all_of(1, _SHORTS16)
        pairs, places = f.offset(weights, 0), f.at(weights, 1)
        first = f.at(weights, f.sub(self._panel_words(f, steps, vectors), f.mul(steps, width)))

        def add(number: Value, together: int) -> None:
            """Write some steps, whose products are added in 16 bits."""
            numbers = [f.add(number, index(later)) for later in range(together)]
            channels = [f.offset(places, each) for each in numbers]
            own = f.at(first, f.mul(number, width))
            head = f.vector(own, _BYTES32)

            def times(value: Value, vector: int) -> Value:
                # One vector of weights is loaded once for all pixels, for which there is a register
                # left: loads, of which a cycle has two, would otherwise take as long as products.
                if vector == 0:
                    return f.intrinsic("x86.avx2.pmadd.ub.sw", _SHORTS16, value, head)
                return _multiplied_from(f, value, own, vector)

            for row, rooms in zip(rows, sums, strict=True):
                words = [f.word(f.at(row, channel), INT32) for channel in channels]
                values = [f.bitcast(f.all_of(word, _SUMS), _BYTES32) for word in words]
                for vector, room in enumerate(rooms):
                    shorts = [
                        times(value, later * vectors + vector) for later, value in enumerate(values)
                    ]
                    total = reduce(f.add, shorts)
                    f.store(f.add(f.load(room), _multiplied(f, total, ones)), room)

        both = f.mul(pairs, index(2))
        with f.counting(both, step=2) as number:
            add(number, together=2)
        with f.counting(steps, both) as number:
            add(number, together=1)

    def _finish(
        self,
        f: Function,
        sums: Sequence[Value],
        ends: Value,
        limits: Sequence[Value],
        goal: Value,
        added: Sequence[Value] = (),
    ) -> None:
        width, results = len(sums) * _COLUMNS, []
        for start, total in zip(range(0, width, _COLUMNS), sums, strict=True):
            scale, bias = (f.vector(f.at(ends, at), _FLOATS8) for at in (start, width + start))
            results.append(f.multiply_add(f.sitofp(total, _FLOATS8), scale, bias))
        if added:
            factor, low, high = (f.all_of(number, _FLOATS8) for number in added[1:])
            more = _as_sums(f, added[0], len(sums))
            results = [
                f.multiply_add(f.sitofp(value, _FLOATS8), factor, _between(f, result, low, high))
                for value, result in zip(more, results, strict=True)
            ]
        if goal.type == FLOATS:
            for number, result in enumerate(_in_order(f, results)):
                f.keep(result, f.at(goal, number * _COLUMNS))
        else:
            packed = _packed(f, [_rounded(f, result) for result in results])
            ends_of = (f.all_of(f.fptoui(limit, BYTE), packed.type) for limit in limits)
            f.keep(_between(f, packed, *ends_of), goal)


def _as_sums(f: Function, pointer: Value, vectors: int) -> list[Value]:
    """Load the bytes of one vector of channels, or of two, as sums of them would lie."""
    if vectors == 1:
        return [f.zext(f.vector(pointer, _BYTES8), _SUMS)]
    halves = _beside(f, _widened(f, pointer), f.all_of(0, _SHORTS16))
    return [f.bitcast(half, _SUMS) for half in halves]


def _in_order(f: Function, values: Sequence[Value]) -> list[Value]:
    """Take pairs of vectors from ``LOW`` and ``HIGH`` to the order of channels."""
    if len(values) == 1:
        return list(values)
    firsts, seconds = ([*range(half, half + 4), *range(half + 8, half + 12)] for half in (0, 4))
    pairs = zip(values[::2], values[1::2], strict=True)
    return [f.chosen(*pair, lanes) for pair in pairs for lanes in (firsts, seconds)]


def _widened(f: Function, pointer: Value) -> Value:
    """Load 16 bytes as numbers of 16 bits."""
    return f.zext(f.vector(pointer, _BYTES16), _SHORTS16)


def _beside(f: Function, a: Value, b: Value) -> tuple[Value, Value]:
    """Put each channel's two numbers beside each other: of channels ``LOW``, and of ``HIGH``."""
    low, high = (
        f.chosen(a, b, [lane + both for lane in lanes for both in (0, 16)]) for lanes in (LOW, HIGH)
    )
    return low, high


def _multiplied_from(f: Function, value: Value, weights: Value, vector: int) -> Value:
    """Multiply bytes by a vector of weights in memory, and add neighbouring products.

    LLVM would load a weight once for all pixels, for which it has too few registers: it would keep
    sums in memory instead. One instruction that loads it each time costs no more than without, as
    long as there are fewer loads than products.
    That it reads memory need not be told, for nothing writes there.
    """
    text = f"vpmaddubsw {_BYTES32.count * vector}($2), $1, $0"
    kind = ir.FunctionType(_SHORTS16, [value.type, weights.type])
    return f.call(ir.InlineAsm(kind, text, "=x,x,r"), [value, weights])


def _multiplied(f: Function, a: Value, b: Value) -> Value:
    """Multiply numbers of 16 bits, and add neighbouring products."""
    return f.intrinsic("x86.avx2.pmadd.wd", _SUMS, a, b)


def _between(f: Function, values: Value, low: Value, high: Value) -> Value:
    """Cut off what is less than the first, or more than the second."""
    values = f.largest(values, low)
    is_float = values.type == _FLOATS8
    more = f.fcmp_ordered(">", values, high) if is_float else f.icmp_unsigned(">", values, high)
    return f.select(more, high, values)


def _rounded(f: Function, values: Value) -> Value:
    """Round to the nearest number of 32 bits, a half to the even."""
    return f.intrinsic("x86.avx.cvt.ps2dq.256", _SUMS, values)


def _packed(f: Function, codes: Sequence[Value]) -> Value:
    """Pack one vector to eight bytes, or two, of ``LOW`` and ``HIGH``, to 16.

    What lies beyond 0 or 255 is cut off.
    """
    shorts = f.intrinsic("x86.avx2.packssdw", _SHORTS16, codes[0], codes[-1])
    halves = (f.chosen(shorts, shorts, range(start, start + 8)) for start in (0, 8))
    packed = f.intrinsic("x86.sse2.packuswb.128", _BYTES16, *halves)
    return packed if len(codes) > 1 else f.chosen(packed, packed, [0, 1, 2, 3, 8, 9, 10, 11])
