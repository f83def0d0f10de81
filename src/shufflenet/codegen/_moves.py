"""The loops that move values and compute none, of float32 as of bytes."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise, product

from llvmlite import ir

from shufflenet.codegen._ir import BYTE, FLOAT, INDEX, OFFSETS, Function, Value, index

__all__ = ["Moves", "window"]


class Moves:
    """Functions of one module, each written when first asked for.

    Args:
        module: Where they are written to.
        element: What maps are made of.
        lanes: Elements of the vectors that are moved, which maps are filled up to.
        widest: Elements of the largest vectors that there are.
    """

    def __init__(self, module: ir.Module, element: ir.Type, lanes: int, widest: int) -> None:
        self.elements = element.as_pointer()
        self.lanes = lanes
        self.widest = widest
        self._vector = ir.VectorType(element, lanes)
        self._module = module
        self._made: dict[str, ir.Function] = {}

    def function(self, name: str, takes: Sequence[ir.Type]) -> Function:
        """Begin a function."""
        return Function(self._module, name, takes, self._vector)

    def max_pool(self) -> ir.Function:
        """Take the maximum of 3x3 windows; a NaN counts only in their first pixel.

        Takes: map, table of windows, pixels, channels, elements of a row and of a pixel, result,
        its table of pixels.
        """

        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, output, places = f.arguments
            taps = window(f, 3, row, pitch)
            with f.counting(pixels) as pixel:
                corner = f.at(source, f.offset(windows, pixel))
                result = f.at(output, f.offset(places, pixel))
                with f.counting(channels, step=self.lanes) as channel:
                    values = [f.vector(f.at(corner, tap, channel)) for tap in taps]
                    largest = values[0]
                    for value in values[1:]:
                        largest = f.maximum(largest, value)
                    f.store_vector(largest, f.at(result, channel))

        takes = (self.elements, OFFSETS, INDEX, INDEX, INDEX, INDEX, self.elements, OFFSETS)
        return self._function("max_pool", takes, write)

    def gather(self, pieces: Sequence[tuple[int, int]], pitch: int) -> ir.Function:
        """Put pieces of maps beside each other, pixel by pixel.

        A piece is moved in whole vectors, as short ones as hold it: what the last has too much, the
        next piece overwrites.

        Takes: where each piece begins in the first pixel, a table of pixels for each layout,
        result, its table of pixels, pixels.

        Args:
            pieces: Channels of each, and the number of its layout.
            pitch: Elements of a pixel of the result, which nothing may go beyond.
        """
        starts = [0, *accumulate(channels for channels, _ in pieces)]
        layouts = 1 + max(layout for _, layout in pieces)

        def write(f: Function) -> None:
            sources, tables = f.arguments[: len(pieces)], f.arguments[len(pieces) : -3]
            output, places, pixels = f.arguments[-3:]
            with f.counting(pixels) as pixel:
                offsets = [f.offset(table, pixel) for table in tables]
                result = f.at(output, f.offset(places, pixel))
                for source, (_, layout), (start, end) in zip(
                    sources, pieces, pairwise(starts), strict=True
                ):
                    here = f.at(source, offsets[layout], -start)
                    while start < end:
                        lanes = self._lanes(end - start, pitch - start)
                        kind = ir.VectorType(self._vector.element, lanes)
                        f.store_vector(f.vector(f.at(here, start), kind), f.at(result, start))
                        start += lanes

        name = "gather" + "".join(f"_{channels}.{layout}" for channels, layout in pieces)
        takes = (
            *([self.elements] * len(pieces)),
            *([OFFSETS] * layouts),
            *(self.elements, OFFSETS, INDEX),
        )
        return self._function(f"{name}_{pitch}", takes, write)

    def _lanes(self, wanted: int, most: int) -> int:
        """Choose a vector: the shortest that holds what is wanted, if so many may be moved."""
        length = min(self.widest, 1 << (wanted - 1).bit_length())
        return min(length, 1 << (most.bit_length() - 1))

    def copy(self) -> ir.Function:
        """Copy rows. Takes: source, its table, result, its table, rows, elements of a row."""

        def write(f: Function) -> None:
            source, table, output, places, rows, elements = f.arguments
            whole = f.and_(elements, index(-self.lanes))
            with f.counting(rows) as row:
                here = f.at(source, f.offset(table, row))
                there = f.at(output, f.offset(places, row))
                with f.counting(whole, step=self.lanes) as start:
                    f.store_vector(f.vector(f.at(here, start)), f.at(there, start))
                with f.counting(elements, whole) as start:
                    f.store(f.load(f.at(here, start)), f.at(there, start))

        takes = (self.elements, OFFSETS, self.elements, OFFSETS, INDEX, INDEX)
        return self._function("copy", takes, write)

    def fill(self) -> ir.Function:
        """Fill whole vectors with a value. Takes: result, elements, value as float32."""

        def write(f: Function) -> None:
            output, elements, value = f.arguments
            is_bytes = self._vector.element == BYTE
            vector = f.splat(f.fptoui(value, BYTE) if is_bytes else value)
            with f.counting(elements, step=self.lanes) as start:
                f.store_vector(vector, f.at(output, start))

        return self._function("fill", (self.elements, INDEX, FLOAT), write)

    def _function(
        self, name: str, takes: Sequence[ir.Type], write: Callable[[Function], None]
    ) -> ir.Function:
        if name not in self._made:
            f = self.function(name, takes)
            f.function.linkage = "internal"
            for argument in f.arguments:
                if isinstance(argument.type, ir.PointerType):
                    argument.add_attribute("noalias")
            self._made[name] = f.function
            write(f)
            f.ret_void()
        return self._made[name]


def window(f: Function, kernel: int, row: Value, pitch: Value) -> list[Value]:
    """Say where the pixels of a square window lie from its corner."""
    places = product(range(kernel), repeat=2)
    return [f.add(f.mul(row, index(y)), f.mul(pitch, index(x))) for y, x in places]
