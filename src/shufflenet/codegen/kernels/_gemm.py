"""Products of pixels and weights, by panels and tiles, whatever multiplies (see ``Layout``)."""

from llvmlite import ir

from shufflenet.codegen.kernels._ir import (
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._layout import LINE_BYTES, LINE_WORDS, Kind
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import (
    Added,
    Blocks,
    Epilogue,
    Multiplier,
    Numbers,
    Panel,
    Strided,
    Tile,
)
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["Gemm"]

_CLASS_WORDS_AHEAD = 2  # words of the classifier's next weights that are prefetched at each step


class Gemm:
    """The kernels of products.

    Args:
        library: The module's functions.
        numbers: What maps hold.
        multiplier: What multiplies.
    """

    def __init__(self, library: Library, numbers: Numbers, multiplier: Multiplier) -> None:
        self._library = library
        self._numbers = numbers
        self._multiplier = multiplier
        self._layout = multiplier.layout
        self._elements = numbers.element.as_pointer()
        self._words = numbers.word.as_pointer()

    def product(self, kind: Kind = "") -> Kernel:
        """Return the kernel that multiplies pixels by all panels of weights.

        Arguments are those of a panel (``_signature``), and ``panels_2``, ...: how many panels of
        so many vectors there are.
        """
        layout = self._layout
        counts = {f"panels_{vectors}": INDEX for vectors in layout.most_pixels}

        def write(f: Function) -> None:
            a = f.arguments
            first_channel, weights = index(0), a.weights
            # The classifier is padded to whole panels of the first kind.
            kinds = list(layout.most_pixels)[: 1 if kind == "logits" else None]
            for vectors in kinds:
                panels = getattr(a, f"panels_{vectors}")
                panel_kernel, width = self._panel(vectors, kind), index(vectors * layout.columns)
                words = self._panel_words(f, Panel(vectors, kind, a.steps, weights))
                with f.loop(panels) as panel:
                    channel = f.add(first_channel, f.mul(panel, width))
                    panel_weights = f.at(weights, f.mul(panel, words))
                    epilogue = f.at(a.epilogue, self._epilogue_offset(f, channel))
                    added = {"added": f.at(a.added, channel)} if kind == "adding" else {}
                    output = f.at(a.output, channel)
                    panel_kernel.forward(
                        f, weights=panel_weights, epilogue=epilogue, output=output, **added
                    )
                first_channel = f.add(first_channel, f.mul(panels, width))
                weights = f.at(weights, f.mul(panels, words))

        signature = self._signature(kind, pixels={"pixels": INDEX}, counts=counts)
        return self._library.kernel(f"product_{kind}", signature, write)

    def linear(self) -> Kernel:
        """Return the kernel that multiplies one image's features by ``class_vectors`` vectors.

        ``zero`` points to a table of one offset, 0.
        """
        vectors = self._layout.class_vectors
        width = vectors * self._layout.columns
        signature = Signature(
            {"features": self._elements, "steps": INDEX, "weights": self._words, "panels": INDEX}
            | {"epilogue": FLOATS, "logits": FLOATS, "zero": OFFSETS}
        )

        def write(f: Function) -> None:
            a = f.arguments
            words = self._panel_words(f, Panel(vectors, "logits", a.steps, a.weights))
            with f.loop(a.panels) as panel:
                first = f.mul(panel, index(width))
                panel_weights = f.at(a.weights, f.mul(panel, words))
                epilogue = f.at(a.epilogue, self._epilogue_offset(f, first))
                self._tiles(1, vectors, "logits").call(
                    f,
                    values=a.features,
                    value_offsets=a.zero,
                    steps=a.steps,
                    weights=panel_weights,
                    epilogue=epilogue,
                    output=f.at(a.logits, first),
                    output_offsets=a.zero,
                    floor=float("-inf"),
                    ceiling=float("inf"),
                    ahead=f.at(panel_weights, words),
                    ahead_words=_CLASS_WORDS_AHEAD,
                    tiles=1,
                )

        return self._library.kernel("linear", signature, write)

    def _signature(
        self,
        kind: Kind,
        *,
        pixels: dict[str, ir.Type] | None = None,
        counts: dict[str, ir.Type] | None = None,
        ahead: dict[str, ir.Type] | None = None,
    ) -> Signature:
        """Return the arguments of a product, a panel or tiles.

        ``value_offsets`` and ``output_offsets`` are tables of the pixels' offsets; ``floor`` and
        ``ceiling`` limit results. Of products that add: ``added`` with its table, what it is
        multiplied with, and the limits of sums before it is added.
        """
        added = {
            "added": self._elements,
            "added_offsets": OFFSETS,
            "added_scale": FLOAT,
            "added_low": FLOAT,
            "added_high": FLOAT,
        }
        return Signature(
            {"values": self._elements, "value_offsets": OFFSETS}
            | (pixels or {})
            | {"steps": INDEX, "weights": self._words}
            | (counts or {})
            | {"epilogue": FLOATS, "output": FLOATS if kind == "logits" else self._elements}
            | {"output_offsets": OFFSETS, "floor": FLOAT, "ceiling": FLOAT}
            | (ahead or {})
            | (added if kind == "adding" else {})
        )

    def _panel(self, vectors: int, kind: Kind) -> Kernel:
        """Return the kernel that multiplies pixels by one panel."""
        by_tiles, blocks = self._panel_by_tiles(vectors, kind), self._multiplier.blocks
        if blocks is None or kind in ("runs", "logits"):
            return by_tiles
        by_blocks = self._panel_by_blocks(blocks, vectors, kind)

        def write(f: Function) -> None:
            enough = f.icmp_signed(">=", f.arguments.pixels, index(blocks.pixels))
            with f.if_else(enough) as (many, few):
                with many:
                    by_blocks.forward(f)
                with few:
                    by_tiles.forward(f)

        return self._library.kernel(f"panel_{vectors}_{kind}_any", by_tiles.signature, write)

    def _panel_by_tiles(self, vectors: int, kind: Kind) -> Kernel:
        """Return the kernel that multiplies by tiles of sizes that differ by one at most."""
        most = self._layout.most_pixels[vectors]

        def write(f: Function) -> None:
            a = f.arguments
            tiles = f.divide(f.add(a.pixels, index(most - 1)), index(most))
            fewest = f.divide(a.pixels, tiles)
            larger = f.sub(a.pixels, f.mul(fewest, tiles))
            larger_size = f.add(fewest, index(1))
            # The next panel is prefetched meanwhile.
            panel = Panel(vectors, kind, a.steps, a.weights)
            following = f.at(a.weights, self._panel_words(f, panel))
            ahead_words = self._ahead_words(f, vectors, tiles)
            for size, first, pixel, count in (
                (larger_size, index(0), index(0), larger),
                (fewest, larger, f.mul(larger, larger_size), f.sub(tiles, larger)),
            ):
                arguments = {
                    "value_offsets": f.at(a.value_offsets, pixel),
                    "output_offsets": f.at(a.output_offsets, pixel),
                }
                if kind == "adding":
                    arguments["added_offsets"] = f.at(a.added_offsets, pixel)
                ahead = f.at(following, f.mul(first, f.mul(a.steps, ahead_words)))
                arguments |= {"ahead": ahead, "ahead_words": ahead_words, "tiles": count}
                with f.if_then(f.icmp_signed(">", count, index(0))):
                    kernels = [self._tiles(n, vectors, kind) for n in range(1, most + 1)]
                    _call_one_of(f, size, kernels, arguments)

        signature = self._signature(kind, pixels={"pixels": INDEX})
        return self._library.kernel(f"panel_{vectors}_{kind}", signature, write)

    def _tiles(self, pixels: int, vectors: int, kind: Kind) -> Kernel:
        """Return the kernel that multiplies tiles of ``pixels`` pixels by one panel.

        Besides a panel's arguments it has ``ahead``, weights that are prefetched, ``ahead_words``
        of them with each step, and ``tiles``, the number of tiles.
        """
        width = vectors * self._layout.columns

        def write(f: Function) -> None:
            a = f.arguments
            with f.loop(a.tiles) as tile:
                following = f.at(a.ahead, f.mul(f.mul(tile, a.steps), a.ahead_words))
                pixel = f.mul(tile, index(pixels))
                offsets = f.at(a.value_offsets, pixel)
                output_offsets = f.at(a.output_offsets, pixel)
                if self._numbers.element == FLOAT:  # results of bytes are a quarter of the lines
                    for number in range(pixels):
                        output = f.at(a.output, f.load_offset(output_offsets, number))
                        for start in range(0, width, LINE_WORDS):
                            f.prefetch(f.at(output, start), to_write=True)
                rows = [f.at(a.values, f.load_offset(offsets, n)) for n in range(pixels)]
                added = []
                if kind == "adding":
                    added_offsets = f.at(a.added_offsets, pixel)
                    added = [f.at(a.added, f.load_offset(added_offsets, n)) for n in range(pixels)]
                sums = self._numbers.begin_sums(f, (pixels, vectors), a.epilogue, added)
                panel = Panel(vectors, kind, a.steps, a.weights)
                self._multiplier.multiply(
                    f, Tile(panel, rows, sums), Prefetch(following, a.ahead_words)
                )
                for number, variables in enumerate(sums):
                    output = f.at(a.output, f.load_offset(output_offsets, number))
                    loaded = [f.load(variable) for variable in variables]
                    self._finish(f, loaded, output, added[number] if added else None)

        ahead = {"ahead": self._words, "ahead_words": INDEX, "tiles": INDEX}
        signature = self._signature(kind, ahead=ahead)
        return self._library.kernel(f"tiles_{pixels}_{vectors}_{kind}", signature, write)

    def _panel_by_blocks(self, blocks: Blocks, vectors: int, kind: Kind) -> Kernel:
        """Return the kernel that multiplies a block of pixels or more by one panel."""
        row = vectors * self._layout.columns

        def write(f: Function) -> None:
            a = f.arguments
            offset = f.load_offset(a.value_offsets, 0)
            pitch = f.sub(f.load_offset(a.value_offsets, 1), offset)
            with f.goto_entry_block():
                variable = f.alloca(ir.ArrayType(INT32, blocks.pixels * row))
                variable.align = LINE_BYTES
            sums = f.bitcast(variable, OFFSETS)
            count = f.divide(f.add(a.pixels, index(blocks.pixels - 1)), index(blocks.pixels))
            panel = Panel(vectors, kind, a.steps, a.weights)
            following = f.at(a.weights, self._panel_words(f, panel))
            ahead_words = self._ahead_words(f, vectors, count)
            most = f.sub(a.pixels, index(blocks.pixels))
            with f.loop(count) as block:
                words = f.mul(f.mul(block, a.steps), ahead_words)
                prefetch = Prefetch(f.at(following, words), ahead_words)
                # The last block begins early, with pixels that are done.
                pixel = f.mul(block, index(blocks.pixels))
                first = f.select(f.icmp_signed("<", pixel, most), pixel, most)
                here = f.at(a.values, offset, f.mul(first, pitch))
                blocks.multiply(f, panel, Strided(here, pitch), sums, prefetch)
                with f.loop(f.add(first, index(blocks.pixels)), pixel) as each:
                    row_sums = f.at(sums, f.mul(f.sub(each, first), index(row)))
                    self._finish_block_row(f, row_sums, each, vectors)

        signature = self._signature(kind, pixels={"pixels": INDEX})
        return self._library.kernel(f"blocks_{vectors}_{kind}", signature, write)

    def _finish_block_row(self, f: Function, sums: Value, pixel: Value, vectors: int) -> None:
        """Compute one pixel's results of its sums in memory, int32 ``(vectors * columns,)``."""
        a, kind = f.arguments, ir.VectorType(INT32, self._layout.columns)
        starts = range(0, vectors * kind.count, kind.count)
        totals = [f.load_vector(f.at(sums, start), kind) for start in starts]
        added = None
        if hasattr(a, "added"):
            added = f.at(a.added, f.load_offset(a.added_offsets, pixel))
        output = f.at(a.output, f.load_offset(a.output_offsets, pixel))
        self._finish(f, totals, output, added)

    def _finish(self, f: Function, sums: list[Value], output: Value, added: Value | None) -> None:
        a = f.arguments
        if added is not None:
            added = Added(added, a.added_scale, a.added_low, a.added_high)
        epilogue = Epilogue(a.epilogue, a.floor, a.ceiling)
        self._numbers.finish(f, sums, epilogue, output, added)

    def _epilogue_offset(self, f: Function, channel: Value) -> Value:
        """Return where the epilogue of a panel begins whose first channel is given."""
        return f.mul(channel, index(self._layout.epilogue_numbers))

    def _panel_words(self, f: Function, panel: Panel) -> Value:
        """Return how many words a panel has, header and weights."""
        header = self._numbers.header_words(f, panel.steps, panel.kind)
        width = index(panel.vectors * self._layout.columns)
        return f.add(header, f.mul(panel.steps, width))

    def _ahead_words(self, f: Function, vectors: int, parts: Value) -> Value:
        """Return how many words to prefetch at each step, if a panel is done in so many parts."""
        return f.add(f.divide(index(vectors * self._layout.columns), parts), index(1))


def _call_one_of(
    f: Function, number: Value, kernels: list[Kernel], arguments: dict[str, Value]
) -> None:
    """Write a switch that calls the first kernel if ``number`` is 1, the second if 2, and so on."""
    never, after = f.append_basic_block(), f.append_basic_block()
    switch = f.switch(number, never)
    f.position_at_end(never)
    f.unreachable()
    for case, kernel in enumerate(kernels, 1):
        block = f.append_basic_block()
        switch.add_case(index(case), block)
        f.position_at_end(block)
        kernel.forward(f, **arguments)
        f.branch(after)
    f.position_at_end(after)
