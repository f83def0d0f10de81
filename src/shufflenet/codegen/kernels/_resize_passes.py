"""The two passes of a resize: along a source row, and along columns of the rows resized so.

Sums are int32; what overflows them on the way is of no account, for the whole sum does not.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from llvmlite import ir

from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    INDEX,
    INT16,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._resize_windows import PILLOW_BITS
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = [
    "GROUP",
    "WINDOW_WORDS",
    "OpencvSums",
    "Passes",
    "PillowSums",
    "Sums",
    "lanes",
    "loaded_bytes",
]

GROUP = 4  # taps of a row that are loaded at once
WINDOW_WORDS = 3  # of a kept column: its first byte, its groups of taps, and its taps

_BLOCK = 16  # values of a row that are computed at once


class Sums(Protocol):
    """What the rows of the first pass hold, and how sums become that and bytes."""

    element: ClassVar[ir.IntType]  # of a row resized along itself
    start: ClassVar[int]  # what sums begin with

    def most_taps(self, ratio: float) -> int:
        """Return the most pixels of a window where at most so many become one."""

    def narrow(self, f: Function, sums: Value) -> Value:
        """Return sums along a row as elements."""

    def add_column(self, f: Function, sums: Value, values: Value, weight: Value) -> Value:
        """Return sums along columns, and one more product."""

    def finish(self, f: Function, sums: Value) -> Value:
        """Return sums along columns as bytes."""


@dataclass(frozen=True, slots=True)
class PillowSums:
    """Sums of bytes and 22-bit weights, rounded to bytes after each pass."""

    element: ClassVar[ir.IntType] = BYTE
    start: ClassVar[int] = 1 << (PILLOW_BITS - 1)

    def most_taps(self, ratio: float) -> int:
        """Return the most pixels of a window, a triangle two pixels or two ratios wide."""
        return int(2 * max(ratio, 1.0)) + 2

    def narrow(self, f: Function, sums: Value) -> Value:
        """Return sums along a row as bytes."""
        return self.finish(f, sums)

    def add_column(self, f: Function, sums: Value, values: Value, weight: Value) -> Value:
        """Return sums along columns, and one more product."""
        return f.add(sums, f.mul(f.zext(values, sums.type), weight))

    def finish(self, f: Function, sums: Value) -> Value:
        """Return sums as bytes."""
        return _shifted(f, sums, PILLOW_BITS, BYTE)


@dataclass(frozen=True, slots=True)
class OpencvSums:
    """Sums of 11-bit weights: of bytes, cut to 15 bits, then of those, each product cut."""

    element: ClassVar[ir.IntType] = INT16
    start: ClassVar[int] = 0

    def most_taps(self, ratio: float) -> int:  # of a protocol
        """Return the most pixels of a window, which are two always."""
        return 2

    def narrow(self, f: Function, sums: Value) -> Value:
        """Return sums along a row as 15 bits."""
        return _shifted(f, sums, 4, INT16)

    def add_column(self, f: Function, sums: Value, values: Value, weight: Value) -> Value:
        """Return sums along columns, and one more product."""
        product = f.mul(f.zext(values, sums.type), weight)
        return f.add(sums, f.lshr(product, f.splat(16, product.type)))

    def finish(self, f: Function, sums: Value) -> Value:
        """Return sums as bytes, two bits rounded off."""
        return _shifted(f, f.add(sums, f.splat(2, sums.type)), 2, BYTE)


class Passes:
    """The kernels of both passes.

    Args:
        library: The module's functions.
        sums: How sums are rounded.
        colors: The values of a pixel: 3, red, green and blue, or 1, a gray level.
    """

    def __init__(self, library: Library, sums: Sums, colors: int) -> None:
        self._library = library
        self._sums = sums
        self._colors = colors
        # A pixel while it is summed: of three colors a fourth does not count.
        self._pixel = ir.VectorType(INT32, lanes(colors))
        self._rows = sums.element.as_pointer()
        self._name = type(sums).__name__.removesuffix("Sums").lower()

    def along_row(self, pixel_bytes: int) -> Kernel:
        """Return the kernel that resizes a row of a source, of pixels of so many bytes.

        ``windows`` has ``WINDOW_WORDS`` for each of ``columns`` kept columns; ``weights``, for each
        in turn, as many as its taps, padded to whole groups by zeros. Of three colors one element
        is written beyond the last.
        """
        signature = Signature(
            {"row": BYTES, "windows": OFFSETS, "weights": OFFSETS}
            | {"columns": INDEX, "output": self._rows}
        )

        def write(f: Function) -> None:
            a = f.arguments
            sums, at = f.variable(self._pixel), f.variable(INDEX)
            f.store(index(0), at)
            with f.loop(a.columns) as column:
                window = f.at(a.windows, f.mul(column, index(WINDOW_WORDS)))
                first, groups, taps = (f.load_offset(window, n) for n in range(WINDOW_WORDS))
                pixels, weights = f.at(a.row, first), f.at(a.weights, f.load(at))
                f.store(f.splat(self._sums.start, self._pixel), sums)
                with f.loop(groups) as group:
                    start = f.mul(group, index(GROUP))
                    here = f.at(pixels, f.mul(start, index(pixel_bytes)))
                    self._add_group(f, sums, here, f.at(weights, start), pixel_bytes)
                with f.loop(taps, f.mul(groups, index(GROUP))) as tap:
                    here = f.at(pixels, f.mul(tap, index(pixel_bytes)))
                    self._add(f, sums, self._load(f, here), f.load(f.at(weights, tap)))
                f.store_vector(
                    self._sums.narrow(f, f.load(sums)),
                    f.at(a.output, f.mul(column, index(self._colors))),
                )
                padded = f.and_(f.add(taps, index(GROUP - 1)), index(-GROUP))
                f.store(f.add(f.load(at), padded), at)

        return self._library.kernel(
            f"{self._name}_row_{self._colors}_of_{pixel_bytes}", signature, write
        )

    def _add_group(
        self, f: Function, sums: Value, pixels: Value, weights: Value, pixel_bytes: int
    ) -> None:
        """Add the products of ``GROUP`` taps, of which ``loaded_bytes`` are read."""
        kind = ir.VectorType(BYTE, loaded_bytes(pixel_bytes))
        loaded, zeros = f.load_vector(pixels, kind), f.splat(0, kind)
        for tap in range(GROUP):
            colors = range(tap * pixel_bytes, tap * pixel_bytes + self._colors)
            unused = [kind.count] * (self._pixel.count - self._colors)
            values = f.shuffle(loaded, zeros, [*colors, *unused])
            self._add(f, sums, values, f.load(f.at(weights, tap)))

    def _add(self, f: Function, sums: Value, values: Value, weight: Value) -> None:
        product = f.mul(f.zext(values, self._pixel), f.splat(weight, self._pixel))
        f.store(f.add(f.load(sums), product), sums)

    def _load(self, f: Function, pointer: Value) -> Value:
        """Load a pixel; the lane that does not count is zero."""
        pixel = f.splat(0, ir.VectorType(BYTE, self._pixel.count))
        for color in range(self._colors):
            byte = f.load(f.at(pointer, color))
            pixel = f.insert_element(pixel, byte, ir.Constant(INT32, color))
        return pixel

    def along_columns(self) -> Kernel:
        """Return the kernel that resizes rows to one row of ``elements`` bytes.

        ``taps`` rows begin every ``pitch`` elements.
        """
        signature = Signature(
            {"rows": self._rows, "pitch": INDEX, "taps": INDEX, "weights": OFFSETS}
            | {"elements": INDEX, "output": BYTES}
        )

        def write(f: Function) -> None:
            a = f.arguments
            whole = f.and_(a.elements, index(-_BLOCK))
            sums = [f.variable(ir.VectorType(INT32, lanes)) for lanes in (_BLOCK, 1)]
            with f.loop(whole, step=_BLOCK) as start:
                self._sum_columns(f, sums[0], start)
            with f.loop(a.elements, whole) as start:
                self._sum_columns(f, sums[1], start)

        return self._library.kernel(f"{self._name}_columns", signature, write)

    def _sum_columns(self, f: Function, sums: Value, start: Value) -> None:
        """Write the sums of some columns, as many as the variable ``sums`` has lanes."""
        a, kind = f.arguments, sums.type.pointee
        f.store(f.splat(self._sums.start, kind), sums)
        loaded = ir.VectorType(self._sums.element, kind.count)
        with f.loop(a.taps) as tap:
            values = f.load_vector(f.at(a.rows, start, f.mul(tap, a.pitch)), loaded)
            weight = f.splat(f.load(f.at(a.weights, tap)), kind)
            f.store(self._sums.add_column(f, f.load(sums), values, weight), sums)
        f.store_vector(self._sums.finish(f, f.load(sums)), f.at(a.output, start))


def lanes(colors: int) -> int:
    """Return the lanes of a vector that holds a pixel.

    >>> lanes(1), lanes(3)
    (1, 4)
    """
    return 4 if colors == 3 else colors


def loaded_bytes(pixel_bytes: int) -> int:
    """Return how many bytes are read of ``GROUP`` pixels: so many that a vector has them.

    >>> loaded_bytes(1), loaded_bytes(3), loaded_bytes(4)
    (4, 16, 16)
    """
    return 1 << (GROUP * pixel_bytes - 1).bit_length()


def _shifted(f: Function, sums: Value, bits: int, element: ir.IntType) -> Value:
    shifted = f.lshr(sums, f.splat(bits, sums.type))
    return f.trunc(shifted, ir.VectorType(element, sums.type.count))
