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
    lanes,
    loaded_bytes,
)
from shufflenet.codegen.kernels._resize_sides import Side, resized_sides, write_half
from shufflenet.codegen.kernels._resize_windows import OpencvWindows, PillowWindows
from shufflenet.codegen.kernels._signature import Kernel, Signature
from shufflenet.codegen.kernels._soft_doubles import SoftDoubles
from shufflenet.preprocess import enlarged_size, mean_color
from shufflenet.spec import Preprocess

__all__ = ["Resize", "photo_bytes"]

_MOVED = 16  # bytes at once
_PIXEL_BYTES = {1: (1,), 3: (3, 4)}  # of a photo, by the colors that are read of a pixel
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

    def scratch_bytes(self, how: Preprocess, most_source_px: int) -> int:
        """Return how many bytes the kernel needs as scratch, which begins at a cache line.

        Args:
            how: How images are resized; see ``photo_bytes``.
            most_source_px: The longest side of an image.
        """
        return _place(how, most_source_px).size

    def kernel(self, how: Preprocess, most_source_px: int) -> Kernel:
        """Return the kernel that resizes, and crops or pads.

        Its arguments: ``pixels``, the first pixel of the first row, ``row_bytes`` from one row to
        the next, below 0 if the last row comes first in memory; ``pixel_bytes``, 3 or 4, of which
        the first three are red, green and blue, or 1 for a gray level; ``width`` and ``height``, 1
        to ``most_source_px``; ``scratch``, and ``output``, bytes ``(height, width, colors)``.
        Nothing else is read or written.

        Args:
            how: How images are resized; see ``photo_bytes``.
            most_source_px: The longest side of an image.
        """
        place = _place(how, most_source_px)
        signature = Signature(
            {"pixels": BYTES, "row_bytes": INDEX, "pixel_bytes": INDEX}
            | {"width": INDEX, "height": INDEX, "scratch": BYTES, "output": BYTES}
        )
        rounded = f"{how.resizer}_{how.longer_side}_{how.crop_offset}"
        size = f"{how.resize_px}_{how.height_px}x{how.width_px}_{most_source_px}"

        def write(f: Function) -> None:
            _Writer(f, self._tools, how, place).write()

        name = f"resize_{how.in_channels}_{how.fit}_{rounded}_{size}"
        return self._tools.library.kernel(name, signature, write)


def photo_bytes(how: Preprocess) -> tuple[int, ...]:
    """Return how many bytes a pixel of a photo may have; none if no photo is resized that way.

    >>> photo_bytes(Preprocess(resize_px=9, crop_px=9))
    (3, 4)
    >>> photo_bytes(Preprocess(resize_px=9, crop_px=9, channels="gray", mean=(0,), std=(1,)))
    (1,)
    """
    is_known = how.channels in ("rgb", "bgr", "gray") and how.bits == 8 and not how.mean_image
    return _PIXEL_BYTES[how.in_channels] if is_known else ()


def _place(how: Preprocess, most_source_px: int) -> _Scratch:
    """Return where the parts of the scratch begin, for images of sides up to a length."""
    sums, (across, down) = _sums(how), _least_sides(how)
    taps_across, taps_down = (sums.most_taps(most_source_px / px) for px in (across, down))
    padded = -(-taps_across // GROUP) * GROUP
    elements = how.in_channels * (how.width_px - 1) + lanes(how.in_channels)
    pitch = _lines(elements * sums.element.width // 8)
    lengths = (
        _lines(how.width_px * WINDOW_WORDS * _WORD),
        _lines(how.width_px * padded * _WORD),
        LINE_BYTES,
        _lines(-(-taps_down // GROUP) * GROUP * _WORD),
        taps_down * pitch,
    )
    starts = [sum(lengths[:n]) for n in range(len(lengths) + 1)]
    at_across, at_across_weights, at_down, at_down_weights, rows, end = starts
    return _Scratch(at_across, at_across_weights, at_down, at_down_weights, rows, pitch, end)


def _least_sides(how: Preprocess) -> tuple[float, float]:
    """Return a width and a height, px: not more source pixels become one than if all became these.

    A crop of a square never makes a side shorter than ``resize_px``. Of a rectangle, a side may be
    rounded to one less. In a frame the longer side, as it is scaled, fills the frame, and the
    other, which is at least 1 px, may be rounded to half of itself.
    """
    if how.fit == "squash":
        return how.width_px, how.height_px
    if how.fit == "pad":
        half = min(how.width_px, how.height_px) / 2
        return half, half
    across, down = enlarged_size(how)
    return (across, down) if across == down else (max(1, across - 1), max(1, down - 1))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of one side of the resized image, and where it goes.

    Attributes:
        first: The position after resizing of the first pixel, int32.
        count: How many pixels.
        to: The position of the first one in the output.
    """

    first: Value
    count: Value
    to: Value


class _Writer:
    """Writes the body of the kernel.

    Args:
        f: The function that is written.
        tools: What it is written with.
        how: How images are resized.
        place: Where the parts of the scratch lie.
    """

    def __init__(self, f: Function, tools: _Tools, how: Preprocess, place: _Scratch) -> None:
        self._f = f
        self._how = how
        self._colors = how.in_channels
        self._place = place
        self._passes = Passes(tools.library, _sums(how), how.in_channels)
        self._tools = tools
        self._element = _sums(how).element

    def write(self) -> None:
        f, a = self._f, self._f.arguments
        source = f.trunc(a.width, INT32), f.trunc(a.height, INT32)
        how = self._how
        across, down = resized_sides(f, self._tools.doubles, source, how)
        columns, rows = self._kept(across, how.width_px), self._kept(down, how.height_px)
        if how.fit == "pad":
            self._fill()
        self._write_columns(across, columns)
        self._write_rows(down, rows, columns)

    def _kept(self, side: Side, input_px: int) -> _Kept:
        """Write what is kept of a side for an input of so many px."""
        f, px, zero = self._f, ir.Constant(INT32, input_px), ir.Constant(INT32, 0)
        if self._how.fit == "pad":
            before = write_half(f, f.sub(px, side.resized_px), self._how.crop_offset)
            return _Kept(zero, f.sext(side.resized_px, INDEX), f.sext(before, INDEX))
        first = write_half(f, f.sub(side.resized_px, px), self._how.crop_offset)
        return _Kept(first, index(input_px), index(0))

    def _fill(self) -> None:
        """Write the mean color to the whole output."""
        f, how = self._f, self._how
        with f.loop(index(how.height_px * how.width_px)) as pixel:
            place = f.at(f.arguments.output, f.mul(pixel, index(self._colors)))
            for color, value in enumerate(mean_color(how).tolist()):
                f.store(ir.Constant(BYTE, value), f.at(place, color))

    def _window_kernel(self, *, down: bool) -> Kernel:
        library, doubles = self._tools.library, self._tools.doubles
        if self._how.resizer == "pillow":
            return PillowWindows(library, doubles).kernel()
        return OpencvWindows(library, doubles, repeats_border=down).kernel()

    def _write_columns(self, side: Side, kept: _Kept) -> None:
        """Write the windows and the weights of all kept columns to the scratch."""
        f, a = self._f, self._f.arguments
        inverted = self._how.resizer == "opencv"
        ratio = side.write_ratio(f, self._tools.doubles, inverted=inverted)
        at = f.variable(INDEX)
        f.store(index(0), at)
        windows, weights = self._ints(self._place.across), self._ints(self._place.across_weights)
        # The bytes that are read of a group end within the row: they may be of more pixels.
        most, *fewer = (index(-(-loaded_bytes(n) // n) - GROUP) for n in photo_bytes(self._how))
        spare = f.select(self._is_narrow(), most, fewer[0]) if fewer else most
        with f.loop(kept.count) as column:
            window, here = f.at(windows, f.mul(column, index(WINDOW_WORDS))), f.load(at)
            self._window_kernel(down=False).call(
                f,
                source_px=side.source_px,
                ratio=ratio,
                position=f.add(kept.first, f.trunc(column, INT32)),
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

    def _write_rows(self, side: Side, kept: _Kept, columns: _Kept) -> None:
        """Write the kept rows, one by one, from the source rows of each one's window."""
        f = self._f
        inverted = self._how.resizer == "opencv"
        ratio = side.write_ratio(f, self._tools.doubles, inverted=inverted)
        window, weights = self._ints(self._place.down), self._ints(self._place.down_weights)
        # The source rows of the last window: from where, and up to where they are resized.
        start, end = f.variable(INDEX), f.variable(INDEX)
        f.store(index(0), start)
        f.store(index(0), end)
        with f.loop(kept.count) as row:
            self._window_kernel(down=True).call(
                f,
                source_px=side.source_px,
                ratio=ratio,
                position=f.add(kept.first, f.trunc(row, INT32)),
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
                self._resize_row(source, f.sub(source, here), columns.count)
            f.store(there, end)
            pixel = f.add(f.mul(f.add(row, kept.to), index(self._how.width_px)), columns.to)
            self._sum_rows(pixel, columns.count, taps)

    def _slide(self, by: Value, rows: Value) -> None:
        """Move rows of the last window, which the next one begins with, to its beginning."""
        f, pitch = self._f, index(self._place.pitch)
        moved = f.select(f.icmp_signed(">", by, index(0)), f.mul(rows, pitch), index(0))
        distance, kind = f.mul(by, pitch), ir.VectorType(BYTE, _MOVED)
        to = f.at(f.arguments.scratch, self._place.rows)
        with f.loop(moved, step=_MOVED) as byte:
            f.store_vector(f.load_vector(f.at(to, byte, distance), kind), f.at(to, byte))

    def _resize_row(self, source: Value, row: Value, columns: Value) -> None:
        """Write a source row, resized along itself, to the rows of the window."""
        f, (least, *more) = self._f, photo_bytes(self._how)
        if not more:
            self._resize_pixels(source, row, columns, least)
            return
        with f.if_else(self._is_narrow()) as branches:
            for pixel_bytes, branch in zip((least, *more), branches, strict=True):
                with branch:
                    self._resize_pixels(source, row, columns, pixel_bytes)

    def _resize_pixels(self, source: Value, row: Value, columns: Value, pixel_bytes: int) -> None:
        f, a = self._f, self._f.arguments
        self._passes.along_row(pixel_bytes).call(
            f,
            row=f.at(a.pixels, f.mul(source, a.row_bytes)),
            windows=self._ints(self._place.across),
            weights=self._ints(self._place.across_weights),
            columns=columns,
            output=self._row(row),
        )

    def _is_narrow(self) -> Value:
        """Write whether a pixel has no byte more than its colors."""
        return self._f.icmp_signed("==", self._f.arguments.pixel_bytes, index(self._colors))

    def _sum_rows(self, pixel: Value, columns: Value, taps: Value) -> None:
        """Write a row of the output, from a pixel on, from the rows of its window."""
        f, elements = self._f, self._f.mul(columns, index(self._colors))
        pitch = self._place.pitch * 8 // self._element.width
        arguments = {"elements": elements, "weights": self._ints(self._place.down_weights)}
        # OpenCV always mixes two rows, be it the border with itself.
        is_opencv = self._how.resizer == "opencv"
        step = f.mul(f.sub(taps, index(1)), index(pitch)) if is_opencv else index(pitch)
        self._passes.along_columns().call(
            f,
            rows=self._row(index(0)),
            pitch=step,
            taps=index(2) if is_opencv else taps,
            output=f.at(f.arguments.output, f.mul(pixel, index(self._colors))),
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
