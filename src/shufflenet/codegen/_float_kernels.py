"""The kernels of float32 networks, for vectors of every processor."""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from shufflenet.codegen._ir import FLOAT, FLOATS, INDEX, OFFSETS, Function, Value, index
from shufflenet.codegen._kernels import Kernels, Kind
from shufflenet.codegen._memory import LINE_WORDS, Array, filled
from shufflenet.codegen._moves import window
from shufflenet.codegen._prefetch import Prefetch
from shufflenet.graph import Floats, Weights

__all__ = ["FloatKernels"]

_MOST_PIXELS = 10  # of a tile: so many places general registers hold
_UNROLLED = 4  # steps of a product's inner loop


class FloatKernels(Kernels):
    """The kernels of float32 networks.

    Args:
        module: Where they are written to.
        lanes: float32 of a vector.
        registers: Vectors that the processor holds.
    """

    dtype = np.float32
    fetches_results = True

    def __init__(self, module: ir.Module, lanes: int, registers: int) -> None:
        # Of 16 registers, panels of four would leave two pixels.
        kinds = (4, 3, 2) if registers == 32 else (2, 3)
        # What is left of the registers holds the weights and a pixel's value.
        most_pixels = {kind: min((registers - 1 - kind) // kind, _MOST_PIXELS) for kind in kinds}
        super().__init__(
            module, FLOAT, lanes, columns=lanes, words=FLOAT, most_pixels=most_pixels, ends=1
        )

    def vectors(self, channels: int) -> int:
        """Say how many vectors hold channels: two at least, for no panel has one.

        >>> FloatKernels(None, 8, 16).vectors(4)
        2
        """
        return max(2, -(-channels // self.lanes))

    def parted(self, vectors: int) -> list[int]:
        """Part vectors into panels.

        >>> FloatKernels(None, 8, 16).parted(7), FloatKernels(None, 16, 32).parted(9)
        ([2, 2, 3], [4, 3, 2])
        """
        most = max(2, vectors)
        if self.kinds[0] == 2:
            return [2] * ((most - 3 * (most % 2)) // 2) + [3] * (most % 2)
        fours, rest = divmod(most, 4)
        last = {0: [], 1: [3, 2], 2: [2], 3: [3]}[rest]
        return [4] * (fours - (rest == 1)) + last

    def steps(self, read: int, runs: int = 1) -> int:
        return read

    def packed(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        wide = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])
        panels = [panel.ravel() for panel in np.split(wide, np.cumsum(widths)[:-1], axis=1)]
        if len(runs) > 1:
            length = len(weight) // len(runs)
            places = np.array([run + step for run in runs for step in range(length)], np.int32)
            head = np.pad(places, (0, -len(places) % LINE_WORDS)).view(np.float32)
            panels = [np.concatenate([head, panel]) for panel in panels]
        return np.concatenate(panels)

    def ends(
        self, scale: Floats | None, bias: Floats, widths: Sequence[int], kind: Kind = ""
    ) -> Floats:
        return filled(bias, sum(widths))

    def filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        kernels = filled(weight, channels).reshape(-1, self.lanes, weight.shape[1])
        return kernels.swapaxes(1, 2), filled(bias, channels)

    def images(self) -> ir.Function:
        def write(f: Function) -> None:
            f.call(self.copy(), f.arguments[:-2])

        takes = (FLOATS, OFFSETS, FLOATS, OFFSETS, INDEX, INDEX, FLOAT, FLOAT)
        return self._function("images", takes, write)

    def depthwise(self, kernel: int) -> ir.Function:
        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, weights, *rest = f.arguments
            biases, output, places, floor, _ = rest
            taps = window(f, kernel, row, pitch)
            least = f.splat(floor)
            with f.counting(channels, step=self.lanes) as channel:
                own = f.at(weights, f.mul(channel, index(len(taps))))
                factors = [f.vector(f.at(own, tap * self.lanes)) for tap in range(len(taps))]
                bias = f.vector(f.at(biases, channel))
                here, there = f.at(source, channel), f.at(output, channel)
                with f.counting(pixels) as pixel:
                    corner = f.at(here, f.offset(windows, pixel))
                    values = [f.vector(f.at(corner, tap)) for tap in taps]
                    # Two sums, for one would wait for each of its additions.
                    sums = [bias, f.splat(0.0)]
                    for tap, (factor, value) in enumerate(zip(factors, values, strict=True)):
                        sums[tap % 2] = f.multiply_add(factor, value, sums[tap % 2])
                    result = f.maximum(f.fadd(*sums), least)
                    f.store_vector(result, f.at(there, f.offset(places, pixel)))

        takes = (
            *(FLOATS, OFFSETS, INDEX, INDEX, INDEX, INDEX),
            *(FLOATS, FLOATS, FLOATS, OFFSETS, FLOAT, FLOAT),
        )
        return self._function(f"depthwise_{kernel}", takes, write)

    def mean(self) -> ir.Function:
        def write(f: Function) -> None:
            source, pixels, channels, pitch, share, more, output = f.arguments
            with f.counting(channels, step=self.lanes) as channel:
                total = f.variable()
                f.store(f.splat(0.0), total)
                with f.counting(pixels) as pixel:
                    value = f.vector(f.at(source, f.mul(pixel, pitch), channel))
                    f.store(f.fadd(f.load(total), value), total)
                result = f.multiply_add(f.load(total), f.splat(share), f.splat(more))
                f.store_vector(result, f.at(output, channel))

        takes = (FLOATS, INDEX, INDEX, INDEX, FLOAT, FLOAT, FLOATS)
        return self._function("mean", takes, write)

    def _head_words(self, f: Function, steps: Value, kind: Kind) -> Value:
        # Where runs lie apart, a panel begins with where the value of each step lies.
        if kind != "runs":
            return index(0)
        return f.and_(f.add(steps, index(LINE_WORDS - 1)), index(-LINE_WORDS))

    def _begun(
        self, f: Function, pixels: int, vectors: int, ends: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        sums = [[f.variable() for _ in range(vectors)] for _ in range(pixels)]
        for vector in range(vectors):
            bias = f.vector(f.at(ends, vector * self.lanes))
            for pixel, variables in enumerate(sums):
                first = bias
                if added:
                    first = f.fadd(bias, f.vector(f.at(added[pixel], vector * self.lanes)))
                f.store(first, variables[vector])
        return sums

    def _multiply(
        self,
        f: Function,
        steps: Value,
        rows: Sequence[Value],
        weights: Value,
        sums: Sequence[Sequence[Value]],
        kind: Kind,
        ahead: Prefetch,
    ) -> None:
        vectors = len(sums[0])
        places = f.bitcast(weights, OFFSETS)
        first = f.at(weights, self._head_words(f, steps, kind))

        def step(number: Value) -> None:
            own = f.at(first, f.mul(number, index(vectors * self.lanes)))
            place = f.offset(places, number) if kind == "runs" else number
            loaded = [f.vector(f.at(own, vector * self.lanes)) for vector in range(vectors)]
            for row, variables in zip(rows, sums, strict=True):
                value = f.splat(f.load(f.at(row, place)))
                for variable, weight in zip(variables, loaded, strict=True):
                    f.store(f.multiply_add(value, weight, f.load(variable)), variable)

        # The narrower a panel is, the fewer lines of the next one belong to so many steps.
        between = max(1, _UNROLLED * LINE_WORDS // (vectors * self.lanes))
        whole = f.and_(steps, index(-_UNROLLED))
        with f.counting(whole, step=_UNROLLED) as number:
            for later in range(_UNROLLED):
                each = f.add(number, index(later))
                if later % between == 0:
                    ahead.fetch(f, each)
                step(each)
        with f.counting(steps, whole) as number:
            step(number)

    def _finish(
        self,
        f: Function,
        sums: Sequence[Value],
        ends: Value,
        limits: tuple[Value, Value],
        goal: Value,
        added: Sequence[Value] = (),
    ) -> None:
        least = f.splat(limits[0])
        for vector, total in enumerate(sums):
            f.store_vector(f.maximum(total, least), f.at(goal, vector * self.lanes))
