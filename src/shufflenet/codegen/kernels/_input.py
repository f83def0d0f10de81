"""Kernels that bring images into the padded planes that the first convolution reads."""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Numbers
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["Input"]

_MOST_UNROLLED = 4  # bytes of a pixel, up to which each plane has code of its own
_LANES = 8  # float32 of a vector, which every processor has or LLVM splits
_GROUP = 16  # pixels that are read at once


class Input:
    """The kernels of a network's input.

    Args:
        library: The module's functions.
        numbers: What maps hold.
    """

    def __init__(self, library: Library, numbers: Numbers) -> None:
        self._library = library
        self._numbers = numbers

    def images(self) -> Kernel:
        """Return the kernel that encodes rows of float32, ``elements`` each, into planes.

        ``scale`` and ``zero`` are what int8 networks quantize by.
        """
        signature = Signature(
            {
                "source": FLOATS,
                "source_offsets": OFFSETS,
                "output": self._numbers.element.as_pointer(),
                "output_offsets": OFFSETS,
                "rows": INDEX,
                "elements": INDEX,
                "scale": FLOAT,
                "zero": FLOAT,
            }
        )

        def write(f: Function) -> None:
            a = f.arguments
            whole = f.and_(a.elements, index(-_LANES))
            floats = ir.VectorType(FLOAT, _LANES)
            with f.loop(a.rows) as row:
                here = f.at(a.source, f.load_offset(a.source_offsets, row))
                there = f.at(a.output, f.load_offset(a.output_offsets, row))
                with f.loop(whole, step=_LANES) as start:
                    values = f.load_vector(f.at(here, start), floats)
                    f.store_vector(self._encode(f, values), f.at(there, start))
                with f.loop(a.elements, whole) as start:
                    self._store_one(f, f.load(f.at(here, start)), f.at(there, start))

        return self._library.kernel("images", signature, write)

    def pixels(self, order: Sequence[int]) -> Kernel:
        """Return the kernel that normalizes interleaved bytes and encodes them into planes.

        Values become ``byte * factor + offset`` of their channel in float32, each operation
        rounded, as ``preprocess`` computes it. Arguments: ``source``, bytes ``(rows, columns,
        channels)``; ``output_offsets``, the offset of each row of the first plane, then of the
        second and so on; ``colors``, the factor of each plane, then the offset of each plane.

        Args:
            order: The byte of a pixel that each plane has: ``(0, 1, 2)`` for RGB, ``(2, 1, 0)``
                for BGR; of more than four planes, each has its own.
        """
        signature = Signature(
            {"source": BYTES, "output": self._numbers.element.as_pointer()}
            | {"output_offsets": OFFSETS, "rows": INDEX, "columns": INDEX}
            | {"colors": FLOATS, "scale": FLOAT, "zero": FLOAT}
        )
        channels = len(order)
        if channels > _MOST_UNROLLED:
            return self._library.kernel(
                f"pixels_of_{channels}", signature, lambda f: self._write_strided(f, channels)
            )
        name = "pixels_" + "".join(map(str, order))
        return self._library.kernel(name, signature, lambda f: self._write_unrolled(f, order))

    def _write_unrolled(self, f: Function, order: Sequence[int]) -> None:
        """Write a loop over groups of pixels, whose bytes are divided among all planes."""
        a, channels = f.arguments, len(order)
        whole = f.and_(a.columns, index(-_GROUP))
        floats = ir.VectorType(FLOAT, _LANES)
        numbers = [f.splat(f.load(f.at(a.colors, n)), floats) for n in range(2 * channels)]
        with f.loop(a.rows) as row:
            here = f.at(a.source, f.mul(row, f.mul(a.columns, index(channels))))
            rows = [f.add(row, f.mul(a.rows, index(plane))) for plane in range(channels)]
            outputs = [f.at(a.output, f.load_offset(a.output_offsets, place)) for place in rows]
            with f.loop(whole, step=_GROUP) as start:
                pixels = f.at(here, f.mul(start, index(channels)))
                by_channel = _deinterleave(f, pixels, channels)
                for plane, channel in enumerate(order):
                    output = f.at(outputs[plane], start)
                    self._store_group(f, by_channel[channel], numbers[plane::channels], output)
            with f.loop(a.columns, whole) as start:
                pixel = f.at(here, f.mul(start, index(channels)))
                for plane, channel in enumerate(order):
                    byte, output = f.at(pixel, channel), f.at(outputs[plane], start)
                    self._store_byte(f, byte, numbers[plane::channels], output)

    def _write_strided(self, f: Function, channels: int) -> None:
        """Write a loop over the planes, of bytes that lie apart: as much code for any number."""
        a, floats = f.arguments, ir.VectorType(FLOAT, _LANES)
        with f.loop(a.rows) as row, f.loop(index(channels)) as plane:
            places = plane, f.add(plane, index(channels))
            numbers = [f.splat(f.load(f.at(a.colors, place)), floats) for place in places]
            place = f.add(row, f.mul(a.rows, plane))
            output = f.at(a.output, f.load_offset(a.output_offsets, place))
            pitch = f.mul(a.columns, index(channels))
            here = f.at(a.source, f.mul(row, pitch), plane)
            with f.loop(a.columns) as column:
                byte = f.at(here, f.mul(column, index(channels)))
                self._store_byte(f, byte, numbers, f.at(output, column))

    def _store_group(
        self, f: Function, group: Value, numbers: Sequence[Value], output: Value
    ) -> None:
        """Normalize, encode and store a vector of ``_GROUP`` bytes of one color."""
        for half in range(0, _GROUP, _LANES):
            values = f.shuffle(group, group, range(half, half + _LANES))
            encoded = self._encode(f, self._normalize(f, values, numbers))
            f.store_vector(encoded, f.at(output, half))

    def _store_byte(
        self, f: Function, byte: Value, numbers: Sequence[Value], output: Value
    ) -> None:
        """Normalize, encode and store a byte that a pointer points to."""
        values = f.splat(f.load(byte), ir.VectorType(BYTE, _LANES))
        value = f.extract_element(self._normalize(f, values, numbers), ir.Constant(INT32, 0))
        self._store_one(f, value, output)

    def _normalize(self, f: Function, values: Value, numbers: Sequence[Value]) -> Value:
        """Compute ``values * factor + offset`` of bytes in float32, each operation rounded."""
        factor, offset = numbers
        integers = f.zext(values, ir.VectorType(INT32, _LANES))
        return f.fadd(f.fmul(f.sitofp(integers, factor.type), factor), offset)

    def _encode(self, f: Function, values: Value) -> Value:
        return self._numbers.encode(f, values, f.arguments.scale, f.arguments.zero)

    def _store_one(self, f: Function, value: Value, output: Value) -> None:
        one = self._encode(f, f.splat(value, ir.VectorType(FLOAT, _LANES)))
        f.store(f.extract_element(one, ir.Constant(INT32, 0)), output)


def _deinterleave(f: Function, pointer: Value, channels: int) -> list[Value]:
    """Load ``_GROUP`` interleaved pixels; return a vector of bytes for each channel."""
    kind = ir.VectorType(BYTE, _GROUP)
    parts = [f.load_vector(f.at(pointer, part * _GROUP), kind) for part in range(channels)]
    by_channel = []
    for channel in range(channels):
        places = [channels * pixel + channel for pixel in range(_GROUP)]
        found = f.shuffle(parts[0], parts[0], [place % _GROUP for place in places])
        for number, part in enumerate(parts[1:], 1):
            lanes = [
                _GROUP + place % _GROUP if place // _GROUP == number else lane
                for lane, place in enumerate(places)
            ]
            found = f.shuffle(found, part, lanes)
        by_channel.append(found)
    return by_channel
