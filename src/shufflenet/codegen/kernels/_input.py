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

__all__ = ["COLORS", "Input"]

COLORS = 3  # of a pixel
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
        """Return the kernel that normalizes interleaved RGB bytes and encodes them into planes.

        Values become ``byte * factor + offset`` of their color in float32, each operation rounded,
        as ``preprocess`` computes it. Arguments: ``source``, bytes ``(rows, columns, 3)``;
        ``output_offsets``, the offset of each row of the first plane, then of the second and third;
        ``colors``, the factor of each plane, then the offset of each plane.

        Args:
            order: The color of each plane: ``(0, 1, 2)`` for RGB, ``(2, 1, 0)`` for BGR.
        """

        def write(f: Function) -> None:
            a = f.arguments
            whole = f.and_(a.columns, index(-_GROUP))
            floats = ir.VectorType(FLOAT, _LANES)
            numbers = [
                f.splat(f.load(f.at(a.colors, number)), floats) for number in range(2 * COLORS)
            ]
            with f.loop(a.rows) as row:
                here = f.at(a.source, f.mul(row, f.mul(a.columns, index(COLORS))))
                rows = [f.add(row, f.mul(a.rows, index(plane))) for plane in range(COLORS)]
                outputs = [f.at(a.output, f.load_offset(a.output_offsets, place)) for place in rows]
                with f.loop(whole, step=_GROUP) as start:
                    by_color = _deinterleave(f, f.at(here, f.mul(start, index(COLORS))))
                    for plane, color in enumerate(order):
                        output = f.at(outputs[plane], start)
                        self._store_group(f, by_color[color], numbers[plane::COLORS], output)
                with f.loop(a.columns, whole) as start:
                    pixel = f.at(here, f.mul(start, index(COLORS)))
                    for plane, color in enumerate(order):
                        byte = f.splat(f.load(f.at(pixel, color)), ir.VectorType(BYTE, _LANES))
                        values = self._normalize(f, byte, numbers[plane::COLORS])
                        value = f.extract_element(values, ir.Constant(INT32, 0))
                        self._store_one(f, value, f.at(outputs[plane], start))

        signature = Signature(
            {"source": BYTES, "output": self._numbers.element.as_pointer()}
            | {"output_offsets": OFFSETS, "rows": INDEX, "columns": INDEX}
            | {"colors": FLOATS, "scale": FLOAT, "zero": FLOAT}
        )
        name = "pixels_" + "".join("rgb"[color] for color in order)
        return self._library.kernel(name, signature, write)

    def _store_group(
        self, f: Function, group: Value, numbers: Sequence[Value], output: Value
    ) -> None:
        """Normalize, encode and store a vector of ``_GROUP`` bytes of one color."""
        for half in range(0, _GROUP, _LANES):
            values = f.shuffle(group, group, range(half, half + _LANES))
            encoded = self._encode(f, self._normalize(f, values, numbers))
            f.store_vector(encoded, f.at(output, half))

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


def _deinterleave(f: Function, pointer: Value) -> list[Value]:
    """Load interleaved colors of ``_GROUP`` pixels; return a vector of bytes for each color."""
    kind = ir.VectorType(BYTE, _GROUP)
    parts = [f.load_vector(f.at(pointer, part * _GROUP), kind) for part in range(COLORS)]
    colors = []
    for color in range(COLORS):
        places = [COLORS * pixel + color for pixel in range(_GROUP)]
        # Bytes of the first two parts, then those of the third in the lanes that are left.
        first = [place if place < 2 * _GROUP else 0 for place in places]
        second = [
            lane if place < 2 * _GROUP else place - _GROUP for lane, place in enumerate(places)
        ]
        colors.append(f.shuffle(f.shuffle(parts[0], parts[1], first), parts[2], second))
    return colors
