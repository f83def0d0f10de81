"""Kernels that move values and compute none, of float32 and of bytes; and the max pool."""

from collections.abc import Sequence
from itertools import accumulate, pairwise, product

from llvmlite import ir

from shufflenet.codegen.kernels._ir import BYTE, FLOAT, INDEX, OFFSETS, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["Moves", "window_offsets"]


class Moves:
    """Copy, fill, gather and max pool, by vectors of the library's type.

    Args:
        library: The module's functions.
        widest: Elements of the largest vectors that ``gather`` moves.
    """

    def __init__(self, library: Library, widest: int) -> None:
        self._library = library
        self._element = library.vector.element
        self._elements = self._element.as_pointer()
        self._lanes = library.vector.count
        self._widest = widest

    def max_pool(self) -> Kernel:
        """Return the kernel of the maximum of 3x3 windows; a NaN counts only in the first pixel.

        ``row`` and ``pitch`` are elements from one row and one pixel of the input to the next;
        ``channels`` are a multiple of the vector's lanes.
        """
        signature = Signature(
            {
                "source": self._elements,
                "windows": OFFSETS,
                "pixels": INDEX,
                "channels": INDEX,
                "row": INDEX,
                "pitch": INDEX,
                "output": self._elements,
                "output_offsets": OFFSETS,
            }
        )

        def write(f: Function) -> None:
            a = f.arguments
            taps = window_offsets(f, 3, a.row, a.pitch)
            with f.loop(a.pixels) as pixel:
                corner = f.at(a.source, f.load_offset(a.windows, pixel))
                result = f.at(a.output, f.load_offset(a.output_offsets, pixel))
                with f.loop(a.channels, step=self._lanes) as channel:
                    values = [f.load_vector(f.at(corner, tap, channel)) for tap in taps]
                    largest = values[0]
                    for value in values[1:]:
                        largest = f.maximum(largest, value)
                    f.store_vector(largest, f.at(result, channel))

        return self._library.kernel("max_pool", signature, write)

    def gather(self, slices: Sequence[tuple[int, int]], pitch: int) -> Kernel:
        """Return the kernel that puts channel slices of maps beside each other, pixel by pixel.

        A slice is moved by whole vectors, the shortest that hold it; the next slice overwrites what
        the last vector moved beyond it. Arguments ``source_0``, ... point to each slice in the
        first pixel, and ``offsets_0``, ... are the tables of pixels of each memory layout.

        Args:
            slices: Channels of each slice, and the number of its memory layout.
            pitch: Elements of a pixel of the output, beyond which nothing is written.
        """
        starts = [0, *accumulate(channels for channels, _ in slices)]
        layouts = 1 + max(layout for _, layout in slices)
        signature = Signature(
            {f"source_{n}": self._elements for n in range(len(slices))}
            | {f"offsets_{n}": OFFSETS for n in range(layouts)}
            | {"output": self._elements, "output_offsets": OFFSETS, "pixels": INDEX}
        )

        def write(f: Function) -> None:
            a = vars(f.arguments)
            with f.loop(a["pixels"]) as pixel:
                offsets = [f.load_offset(a[f"offsets_{n}"], pixel) for n in range(layouts)]
                result = f.at(a["output"], f.load_offset(a["output_offsets"], pixel))
                for n, (start, end) in enumerate(pairwise(starts)):
                    here = f.at(a[f"source_{n}"], offsets[slices[n][1]], -start)
                    self._copy_slice(f, here, result, range(start, end), pitch)

        name = "gather" + "".join(f"_{channels}.{layout}" for channels, layout in slices)
        return self._library.kernel(f"{name}_{pitch}", signature, write)

    def _copy_slice(
        self, f: Function, source: Value, output: Value, channels: range, pitch: int
    ) -> None:
        """Copy channels of one pixel by vectors of which none ends beyond ``pitch``."""
        start = channels.start
        while start < channels.stop:
            longest = min(self._widest, 1 << (channels.stop - start - 1).bit_length())
            lanes = min(longest, 1 << ((pitch - start).bit_length() - 1))
            kind = ir.VectorType(self._element, lanes)
            f.store_vector(f.load_vector(f.at(source, start), kind), f.at(output, start))
            start += lanes

    def copy(self) -> Kernel:
        """Return the kernel that copies rows, of ``elements`` each."""
        signature = Signature(
            {
                "source": self._elements,
                "source_offsets": OFFSETS,
                "output": self._elements,
                "output_offsets": OFFSETS,
                "rows": INDEX,
                "elements": INDEX,
            }
        )

        def write(f: Function) -> None:
            a = f.arguments
            whole = f.and_(a.elements, index(-self._lanes))
            with f.loop(a.rows) as row:
                here = f.at(a.source, f.load_offset(a.source_offsets, row))
                there = f.at(a.output, f.load_offset(a.output_offsets, row))
                with f.loop(whole, step=self._lanes) as start:
                    f.store_vector(f.load_vector(f.at(here, start)), f.at(there, start))
                with f.loop(a.elements, whole) as start:
                    f.store(f.load(f.at(here, start)), f.at(there, start))

        return self._library.kernel("copy", signature, write)

    def fill(self) -> Kernel:
        """Return the kernel that fills ``elements``, rounded up to whole vectors, with a value."""
        signature = Signature({"output": self._elements, "elements": INDEX, "value": FLOAT})

        def write(f: Function) -> None:
            a = f.arguments
            is_bytes = self._element == BYTE
            vector = f.splat(f.fptoui(a.value, BYTE) if is_bytes else a.value)
            with f.loop(a.elements, step=self._lanes) as start:
                f.store_vector(vector, f.at(a.output, start))

        return self._library.kernel("fill", signature, write)

    def surround(self) -> Kernel:
        """Return the kernel that fills the border of a map with a value.

        ``row`` are elements from one row to the next, of which ``side`` lie at each end; ``above``
        are those of the border's rows, above and below. All are whole vectors.
        """
        numbers = dict.fromkeys(("rows", "row", "side", "above"), INDEX)
        signature = Signature({"output": self._elements, "value": FLOAT} | numbers)

        def write(f: Function) -> None:
            a, fill = f.arguments, self.fill()
            fill.forward(f, elements=f.add(a.above, a.side))
            right = f.at(a.output, a.above, f.sub(a.row, a.side))
            # The right end of a row lies beside the left end of the next one.
            with f.loop(f.sub(a.rows, index(1))) as number:
                ends = f.at(right, f.mul(number, a.row))
                fill.call(f, output=ends, elements=f.add(a.side, a.side), value=a.value)
            last = f.at(right, f.mul(f.sub(a.rows, index(1)), a.row))
            fill.forward(f, output=last, elements=f.add(a.side, a.above))

        return self._library.kernel("surround", signature, write)


def window_offsets(f: Function, kernel: int, row: Value, pitch: Value) -> list[Value]:
    """Return the offsets of a square window's pixels from its corner, row by row."""
    places = product(range(kernel), repeat=2)
    return [f.add(f.mul(row, index(y)), f.mul(pitch, index(x))) for y, x in places]
