"""Resizing and cropping pixels of any size, equal to ``preprocess.resize_and_crop``."""

from dataclasses import dataclass

from llvmlite import ir

from shufflenet.codegen.kernels._doubles import Doubles, HardwareDoubles
from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    INDEX,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._layout import LINE_BYTES
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._resize_passes import (
    GROUP,
    WINDOW_WORDS,
    OpencvSums,
    Passes,
    PillowSums,
    Sums,
)
from shufflenet.codegen.kernels._resize_sides import Side, resized_sides
from shufflenet.codegen.kernels._resize_windows import OpencvWindows, PillowWindows
from shufflenet.codegen.kernels._signature import Kernel, Signature
from shufflenet.codegen.kernels._soft_doubles import SoftDoubles
from shufflenet.errors import SpecError
from shufflenet.spec import Preprocess

__all__ = ["Resize"]

_COLORS = 3
_MOVED = 16  # bytes at once
_WORD = 4  # bytes


@dataclass(frozen=True, slots=True)
class _Scratch:
    """Where the parts of the scratch begin, in bytes.

    Attributes:
        across: The windows of all kept columns.
        across_weights: Their weights.
        down: The window of one kept row.
        down_weights: Its weights.
        rows: The source rows of that window, resized along themselves.
        pitch: Bytes from one of them to the next.
        size: Bytes of the whole.
    """

    across: int
    across_weights: int
    down: int
    down_weights: int
    rows: int
    pitch: int
    size: int


@dataclass(frozen=True, slots=True)
class _Tools:
    """What the kernel is written with: the module's functions, and how float64 is computed."""

    library: Library
    doubles: Doubles


class Resize:
    """The kernel that makes the input's bytes from pixels of any size.

    The image is resized along rows first, and rounded, as Pillow up to 12.3 and OpenCV do, and as
    Pillow 13 does for images up to twice as high as wide. Of source rows only those are resized,
    once each, that the crop needs, and only its columns; those that the next kept row needs are
    kept. So the scratch does not grow with the image's area.

    Args:
        library: The module's functions.
        has_doubles: Whether the processor computes float64. Without, weights are computed by
            integers, hundreds of operations each, and are the same.
    """

    def __init__(self, library: Library, *, has_doubles: bool = True) -> None:
        doubles = HardwareDoubles() if has_doubles else SoftDoubles(library)
        self._tools = _Tools(library, doubles)

    def scratch_bytes(self, how: Preprocess, size: tuple[int, int], most_source_px: int) -> int:
        """Return how many bytes the kernel needs as scratch, which begins at a cache line.

        Args:
            how: How images are resized.
            size: The height and the width that are kept, px.
            most_source_px: The longest side of an image.

        Raises:
            SpecError: a resized image may be smaller than what is kept of it.
        """
        return self._place(how, size, most_source_px).size

    def kernel(self, how: Preprocess, size: tuple[int, int], most_source_px: int) -> Kernel:
        """Return the kernel that resizes and crops.

        Its arguments: ``pixels``, the first pixel of the first row, ``row_bytes`` from one row to
        the next, below 0 if the last row comes first in memory; ``pixel_bytes``, 3 or 4, of which
        the first three are red, green and blue; ``width`` and ``height``, 1 to ``most_source_px``;
        ``scratch``, and ``output``, bytes ``(height, width, 3)``. Nothing else is read or written.

        Args:
            how: How images are resized.
            size: The height and the width that are kept, px.
            most_source_px: The longest side of an image.

        Raises:
            SpecError: a resized image may be smaller than what is kept of it.
        """
        place = self._place(how, size, most_source_px)
        signature = Signature(
            {"pixels": BYTES, "row_bytes": INDEX, "pixel_bytes": INDEX}
            | {"width": INDEX, "height": INDEX, "scratch": BYTES, "output": BYTES}
        )
        name = f"resize_{how.resize_px}_{how.resizer}_{how.longer_side}_{how.crop_offset}"

        def write(f: Function) -> None:
            _Writer(f, self._tools, how, size, place).write()

        return self._tools.library.kernel(
            "{}_{}x{}_{}".format(name, *size, most_source_px), signature, write
        )

    def _place(self, how: Preprocess, size: tuple[int, int], most_source_px: int) -> _Scratch:
        if max(size) > how.resize_px:
            raise SpecError("the size of images", size, f"at most resize_px, {how.resize_px}")
        # No side becomes shorter than ``resize_px``.
        most_taps = _sums(how).most_taps(most_source_px / how.resize_px)
        padded = -(-most_taps // GROUP) * GROUP
        pitch = _lines((_COLORS * size[1] + 1) * _sums(how).element.width // 8)
        lengths = (
            _lines(size[1] * WINDOW_WORDS * _WORD),
            _lines(size[1] * padded * _WORD),
            LINE_BYTES,
            _lines(padded * _WORD),
            most_taps * pitch,
        )
        starts = [sum(lengths[:n]) for n in range(len(lengths) + 1)]
        across, across_weights, down, down_weights, rows, end = starts
        return _Scratch(across, across_weights, down, down_weights, rows, pitch, end)


class _Writer:
    """Writes the body of the kernel.

    Args:
        f: The function that is written.
        tools: What it is written with.
        how: How images are resized.
        size: The height and the width that are kept, px.
        place: Where the parts of the scratch lie.
    """

    def __init__(
        self,
        f: Function,
        tools: _Tools,
        how: Preprocess,
        size: tuple[int, int],
        place: _Scratch,
    ) -> None:
        self._f = f
        self._how = how
        self._height, self._width = size
        self._place = place
        self._passes = Passes(tools.library, _sums(how))
        self._tools = tools
        self._element = _sums(how).element

    def write(self) -> None:
        f, a = self._f, self._f.arguments
        source = f.trunc(a.width, INT32), f.trunc(a.height, INT32)
        how, doubles = self._how, self._tools.doubles
        across, down = resized_sides(f, doubles, source, how.resize_px, how.longer_side)
        self._write_columns(across)
        self._write_rows(down)

    def _window_kernel(self, *, down: bool) -> Kernel:
        library, doubles = self._tools.library, self._tools.doubles
        if self._how.resizer == "pillow":
            return PillowWindows(library, doubles).kernel()
        return OpencvWindows(library, doubles, repeats_border=down).kernel()

    def _write_columns(self, side: Side) -> None:
        """Write the windows and the weights of all kept columns to the scratch."""
        f, a = self._f, self._f.arguments
        first = side.write_first(f, self._width, self._how.crop_offset)
        inverted = self._how.resizer == "opencv"
        ratio = side.write_ratio(f, self._tools.doubles, inverted=inverted)
        at = f.variable(INDEX)
        f.store(index(0), at)
        windows, weights = self._ints(self._place.across), self._ints(self._place.across_weights)
        is_narrow = f.icmp_signed("==", a.pixel_bytes, index(_COLORS))
        # The 16 bytes of a group end within the row: they are four pixels, or six, cut.
        spare = f.select(is_narrow, index(2), index(0))
        with f.loop(index(self._width)) as column:
            window, here = f.at(windows, f.mul(column, index(WINDOW_WORDS))), f.load(at)
            self._window_kernel(down=False).call(
                f,
                source_px=side.source_px,
                ratio=ratio,
                position=f.add(first, f.trunc(column, INT32)),
                window=window,
                weights=f.at(weights, here),
            )
            pixel, taps = (f.load_offset(window, n) for n in range(2))
            end = f.and_(f.add(taps, index(GROUP - 1)), index(-GROUP))
            with f.loop(end, taps) as tap:
                f.store(ir.Constant(INT32, 0), f.at(weights, here, tap))
            whole = f.ashr(f.sub(f.sub(a.width, pixel), spare), index(2))
            groups = _between(f, whole, index(0), f.ashr(end, index(2)))
            words = f.mul(pixel, a.pixel_bytes), groups, taps
            for number, word in enumerate(words):
                f.store(f.trunc(word, INT32), f.at(window, number))
            f.store(f.add(here, end), at)

    def _write_rows(self, side: Side) -> None:
        """Write the kept rows, one by one, from the source rows of each one's window."""
        f = self._f
        first = side.write_first(f, self._height, self._how.crop_offset)
        inverted = self._how.resizer == "opencv"
        ratio = side.write_ratio(f, self._tools.doubles, inverted=inverted)
        window, weights = self._ints(self._place.down), self._ints(self._place.down_weights)
        # The source rows of the last window: from where, and up to where they are resized.
        start, end = f.variable(INDEX), f.variable(INDEX)
        f.store(index(0), start)
        f.store(index(0), end)
        with f.loop(index(self._height)) as row:
            self._window_kernel(down=True).call(
                f,
                source_px=side.source_px,
                ratio=ratio,
                position=f.add(first, f.trunc(row, INT32)),
                window=window,
                weights=weights,
            )
            here, taps = (f.load_offset(window, n) for n in range(2))
            self._slide(f.sub(here, f.load(start)), f.sub(f.load(end), here))
            f.store(here, start)
            there = f.add(here, taps)
            known = f.load(end)
            missing = f.select(f.icmp_signed(">", known, here), known, here)
            with f.loop(there, missing) as source:
                self._resize_row(source, f.sub(source, here))
            f.store(there, end)
            self._sum_rows(row, taps)

    def _slide(self, by: Value, rows: Value) -> None:
        """Move rows of the last window, which the next one begins with, to its beginning."""
        f, pitch = self._f, index(self._place.pitch)
        moved = f.select(f.icmp_signed(">", by, index(0)), f.mul(rows, pitch), index(0))
        distance, kind = f.mul(by, pitch), ir.VectorType(BYTE, _MOVED)
        to = f.at(f.arguments.scratch, self._place.rows)
        with f.loop(moved, step=_MOVED) as byte:
            f.store_vector(f.load_vector(f.at(to, byte, distance), kind), f.at(to, byte))

    def _resize_row(self, source: Value, row: Value) -> None:
        """Write a source row, resized along itself, to the rows of the window."""
        f, a = self._f, self._f.arguments
        is_narrow = f.icmp_signed("==", a.pixel_bytes, index(_COLORS))
        with f.if_else(is_narrow) as branches:
            for pixel_bytes, branch in zip((3, 4), branches, strict=True):
                with branch:
                    self._passes.along_row(pixel_bytes).call(
                        f,
                        row=f.at(a.pixels, f.mul(source, a.row_bytes)),
                        windows=self._ints(self._place.across),
                        weights=self._ints(self._place.across_weights),
                        columns=index(self._width),
                        output=self._row(row),
                    )

    def _sum_rows(self, row: Value, taps: Value) -> None:
        """Write a row of the output from the rows of its window."""
        f, elements = self._f, _COLORS * self._width
        pitch = self._place.pitch * 8 // self._element.width
        arguments = {"elements": index(elements), "weights": self._ints(self._place.down_weights)}
        # OpenCV always mixes two rows, be it the border with itself.
        is_opencv = self._how.resizer == "opencv"
        step = f.mul(f.sub(taps, index(1)), index(pitch)) if is_opencv else index(pitch)
        self._passes.along_columns().call(
            f,
            rows=self._row(index(0)),
            pitch=step,
            taps=index(2) if is_opencv else taps,
            output=f.at(f.arguments.output, f.mul(row, index(elements))),
            **arguments,
        )

    def _row(self, number: Value) -> Value:
        """Return a pointer to a row of the window."""
        f = self._f
        start = f.mul(number, index(self._place.pitch))
        row = f.at(f.arguments.scratch, self._place.rows, start)
        return f.bitcast(row, self._element.as_pointer())

    def _ints(self, at: int) -> Value:
        return self._f.bitcast(self._f.at(self._f.arguments.scratch, at), OFFSETS)


def _sums(how: Preprocess) -> Sums:
    return PillowSums() if how.resizer == "pillow" else OpencvSums()


def _lines(size: int) -> int:
    """Return bytes padded to whole cache lines."""
    return -(-size // LINE_BYTES) * LINE_BYTES


def _between(f: Function, value: Value, low: Value, high: Value) -> Value:
    value = f.select(f.icmp_signed("<", value, low), low, value)
    return f.select(f.icmp_signed(">", value, high), high, value)
