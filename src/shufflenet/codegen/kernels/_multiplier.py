"""What a kind of numbers and a multiplier must offer, so that one product serves them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from llvmlite import ir

from shufflenet.codegen.kernels._ir import Function, Value
from shufflenet.codegen.kernels._layout import Kind, Layout
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel

__all__ = ["Added", "Blocks", "Epilogue", "Multiplier", "Numbers", "Panel", "Strided", "Tile"]


class Added(NamedTuple):
    """One pixel of a map that is added to a result: ``limited result + scale * value``.

    Attributes:
        values: Pointer to the values of the pixel.
        scale: float32 that they are multiplied with.
        low: Lower limit of the result before they are added, in int8.
        high: Upper limit, likewise.
    """

    values: Value
    scale: Value
    low: Value
    high: Value


class Epilogue(NamedTuple):
    """What turns a panel's sums into results: ``(numbers,)`` of its channels, and limits."""

    numbers: Value
    floor: Value
    ceiling: Value


@dataclass(frozen=True, slots=True)
class Panel:
    """Weights of one panel, ``(steps, word, vectors * columns)`` behind their header.

    Attributes:
        vectors: Vectors of sums of each pixel.
        kind: The kind of the product.
        steps: How many steps there are.
        weights: Pointer to the header.
    """

    vectors: int
    kind: Kind
    steps: Value
    weights: Value


@dataclass(frozen=True, slots=True)
class Tile:
    """Some pixels by one panel, whose sums are held in registers.

    Attributes:
        panel: The panel.
        rows: Pointer to each pixel's values.
        sums: Variables of each pixel's sums, one for each vector of the panel.
    """

    panel: Panel
    rows: Sequence[Value]
    sums: Sequence[Sequence[Value]]


class Strided(NamedTuple):
    """Pixels at equal distances: pointer to the first, and bytes from one to the next."""

    first: Value
    pitch: Value


class Numbers(Protocol):
    """What maps hold, float32 or bytes: everything but the multiplication itself."""

    @property
    def element(self) -> ir.Type:
        """The type of an element of a map."""

    @property
    def word(self) -> ir.Type:
        """The type of the words that weights are made of."""

    def header_words(self, f: Function, steps: Value, kind: Kind) -> Value:
        """Return how many words a panel has before its weights."""

    def begin_sums(
        self, f: Function, shape: tuple[int, int], numbers: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        """Return variables of a tile's sums, ``shape`` (pixels, vectors), with their first values.

        Args:
            f: The function that is written.
            shape: Pixels, and vectors of each.
            numbers: Pointer to the panel's epilogue.
            added: Pointers to what is added to each pixel, if anything is.
        """

    def finish(
        self,
        f: Function,
        sums: Sequence[Value],
        epilogue: Epilogue,
        output: Value,
        added: Added | None = None,
    ) -> None:
        """Compute one pixel's results of its sums, and store them at ``output``."""

    def encode(self, f: Function, values: Value, scale: Value, zero: Value) -> Value:
        """Convert a vector of an image's float32 to elements, in int8 ``values * scale + zero``."""

    def mean(self, library: Library) -> Kernel:
        """Return the kernel of the mean over all pixels.

        Arguments: source, pixels, channels, pitch (elements of a pixel), factor (of the sum), bias,
        output.
        """


class Blocks(Protocol):
    """A multiplier of 16 pixels or more at once, at equal distances."""

    @property
    def pixels(self) -> int:
        """Pixels of a block."""

    def begin(self, f: Function) -> None:
        """Write what must stand before the kernels are called."""

    def end(self, f: Function) -> None:
        """Write what must stand after the kernels are called."""

    def multiply(
        self, f: Function, panel: Panel, values: Strided, sums: Value, prefetch: Prefetch
    ) -> None:
        """Multiply a block by a panel and store the sums: int32 ``(pixels, width)``."""


class Multiplier(Protocol):
    """How one instruction set multiplies."""

    @property
    def layout(self) -> Layout:
        """How it wants its operands to lie."""

    @property
    def numbers(self) -> Numbers:
        """What the maps hold that it multiplies."""

    @property
    def blocks(self) -> Blocks | None:
        """What multiplies many pixels at once, if it has such instructions."""

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: add all steps' products to the sums of a tile."""

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution with windows of ``kernel`` x ``kernel``.

        Arguments: those of ``depthwise_signature``.
        """
