"""Int8: the numbers of its maps, and the depthwise kernel that its multipliers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._byte_vectors import ToBytes, load_as_sums
from shufflenet.codegen.kernels._depthwise import depthwise_signature
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._layout import LINE_WORDS, Kind
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._moves import window_offsets
from shufflenet.codegen.kernels._multiplier import Added, Epilogue
from shufflenet.codegen.kernels._signature import Kernel, Signature
from shufflenet.graph import LARGEST_BYTE

__all__ = ["ByteNumbers", "FilterSums", "depthwise", "header_words"]

_SHORT = 8  # lanes of vectors where speed matters little

_ALL_BYTES = ir.Constant(FLOAT, 0.0), ir.Constant(FLOAT, float(LARGEST_BYTE))

# Writes the sums of a width of channels: of pointers to the bytes of each tap, a pointer to the
# weights as ``Int8Layout.pack_filters`` lays them out, and the width.
FilterSums = Callable[[Function, Sequence[Value], Value, int], Sequence[Value]]


@dataclass(frozen=True, slots=True)
class ByteNumbers:
    """Maps of bytes, 0 to 255, whose products are summed in int32.

    Results are ``sum * scale + bias`` in float32, rounded to a byte.

    Attributes:
        columns: int32 sums that a vector holds.
        to_bytes: How results become bytes.
        short: int32 sums of the vectors that the mean is computed with, where they are shorter.
    """

    columns: int
    to_bytes: ToBytes
    short: int = _SHORT
    element = BYTE
    word = INT32

    def header_words(self, f: Function, steps: Value, kind: Kind) -> Value:
        """Return the words of a panel's header: the number of pairs, and each step's offset."""
        return header_words(f, steps)

    def begin_sums(
        self, f: Function, shape: tuple[int, int], numbers: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        """Return variables of a tile's sums, all 0."""
        pixels, vectors = shape
        of_sums = ir.VectorType(INT32, self.columns)
        sums = [[f.variable(of_sums) for _ in range(vectors)] for _ in range(pixels)]
        for variable in (variable for variables in sums for variable in variables):
            f.store(f.splat(0, of_sums), variable)
        return sums

    def finish(
        self,
        f: Function,
        sums: Sequence[Value],
        epilogue: Epilogue,
        output: Value,
        added: Added | None = None,
    ) -> None:
        """Compute one pixel's results of its sums; store them as bytes, or logits as float32."""
        lanes = sums[0].type.count
        floats, results = ir.VectorType(FLOAT, lanes), []
        for number, total in enumerate(sums):
            starts = number * lanes, (len(sums) + number) * lanes
            scale, bias = (f.load_vector(f.at(epilogue.numbers, at), floats) for at in starts)
            results.append(f.multiply_add(f.sitofp(total, floats), scale, bias))
        if added:
            factor, low, high = (f.splat(number, floats) for number in added[1:])
            results = [
                f.multiply_add(f.sitofp(value, floats), factor, f.clamp(result, low, high))
                for value, result in zip(
                    load_as_sums(f, added.values, len(sums), lanes), results, strict=True
                )
            ]
        if output.type == FLOATS:
            for number, result in enumerate(results):
                f.store_vector(result, f.at(output, number * lanes))
        else:
            limits = epilogue.floor, epilogue.ceiling
            f.store_vector(self.to_bytes(f, results, limits), output)

    def encode(self, f: Function, values: Value, scale: Value, zero: Value) -> Value:
        """Quantize the values of an image: ``values * scale + zero``, rounded, from 0 to 255."""
        floats = values.type
        scaled = f.multiply_add(values, f.splat(scale, floats), f.splat(zero, floats))
        largest = f.splat(float(LARGEST_BYTE), floats)
        # What is rounded must be in the range of int32; NaN becomes the largest byte.
        cut = f.select(f.fcmp_ordered("<", scaled, largest), scaled, largest)
        return self.to_bytes(f, [cut], _ALL_BYTES)

    def mean(self, library: Library) -> Kernel:
        """Return the kernel of the mean over all pixels."""
        signature = Signature(
            {
                "source": BYTES,
                "pixels": INDEX,
                "channels": INDEX,
                "pitch": INDEX,
                "factor": FLOAT,
                "bias": FLOAT,
                "output": BYTES,
            }
        )

        def write(f: Function) -> None:
            a = f.arguments
            lanes = min(self.columns, self.short)
            floats, of_sums = ir.VectorType(FLOAT, lanes), ir.VectorType(INT32, lanes)
            with f.loop(a.channels, step=LANES) as channel:
                variables = [f.variable(of_sums) for _ in range(LANES // lanes)]
                for variable in variables:
                    f.store(f.splat(0, of_sums), variable)
                with f.loop(a.pixels) as pixel:
                    pointer = f.at(a.source, f.mul(pixel, a.pitch), channel)
                    values = load_as_sums(f, pointer, len(variables), lanes)
                    for variable, value in zip(variables, values, strict=True):
                        f.store(f.add(f.load(variable), value), variable)
                factor, offset = f.splat(a.factor, floats), f.splat(a.bias, floats)
                results = [
                    f.multiply_add(f.sitofp(f.load(variable), floats), factor, offset)
                    for variable in variables
                ]
                bytes_ = self.to_bytes(f, results, _ALL_BYTES)
                f.store_vector(bytes_, f.at(a.output, channel))

        return library.kernel("mean", signature, write)


def header_words(f: Function, steps: Value) -> Value:
    """Return how many words of a panel stand before its weights (see ``Int8Layout``)."""
    return f.and_(f.add(steps, index(LINE_WORDS)), index(-LINE_WORDS))


def depthwise(
    library: Library, layout: Int8Layout, numbers: ByteNumbers, kernel: int, sums_of: FilterSums
) -> Kernel:
    """Return the kernel of a depthwise convolution: a width of channels at a time.

    Args:
        library: The module's functions.
        layout: Of weights, and which widths of channels are computed at once.
        numbers: What maps hold.
        kernel: The side of a window.
        sums_of: Writes the sums of a width of channels.
    """
    whole_taps = -(-(kernel**2) // layout.taps) * layout.taps
    words = whole_taps * np.dtype(layout.filter_dtype).itemsize // 4
    words += bool(layout.filter_subtracted)

    def write(f: Function) -> None:
        a = f.arguments
        taps = window_offsets(f, kernel, a.row, a.pitch)
        done = index(0)
        for width in layout.filter_widths:
            whole = f.and_(a.channels, index(-width))
            with f.loop(whole, done, step=width) as channel:
                filters = f.at(a.weights, f.mul(channel, index(words)))
                scales = f.at(a.epilogue, f.mul(channel, index(layout.epilogue_numbers)))
                epilogue = Epilogue(scales, a.floor, a.ceiling)
                here, there = f.at(a.source, channel), f.at(a.output, channel)
                with f.loop(a.pixels) as pixel:
                    corner = f.at(here, f.load_offset(a.windows, pixel))
                    values = [f.at(corner, tap) for tap in taps]
                    sums = sums_of(f, values, filters, width)
                    output = f.at(there, f.load_offset(a.output_offsets, pixel))
                    numbers.finish(f, sums, epilogue, output)
            done = whole

    return library.kernel(f"depthwise_{kernel}", depthwise_signature(numbers), write)
