"""How channels and weights lie in memory: vectors, panels and steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.graph import Floats, Weights
from shufflenet.native import LINE_BYTES, aligned

__all__ = [
    "CLASS_VECTORS",
    "LINE_BYTES",
    "LINE_WORDS",
    "Array",
    "Kind",
    "Layout",
    "aligned",
    "class_panels",
    "pad_rows",
    "panel_counts",
    "panel_widths",
]

LINE_WORDS = 16  # of a cache line; a word is one float32 weight, or four int8 weights

CLASS_VECTORS = 8  # of ``Layout.class_vectors``, where registers hold so many

Array: TypeAlias = npt.NDArray[Any]

# The kinds of products. "": values of a map; "runs": likewise, of inputs in several runs; "adding":
# likewise, to which another map is added; "logits": float32.
Kind: TypeAlias = Literal["", "runs", "adding", "logits"]


class Layout(Protocol):
    """How one multiplier wants channels, weights and epilogues to lie.

    A **product** multiplies pixels, ``(pixels, in)``, by weights, ``(in, out)``. The output
    channels are cut into **panels** of one to four vectors of sums. Pixels are taken some at a
    time: such a **tile**, of some pixels by one panel, is what fits into registers, so that a
    weight that is loaded serves all pixels of the tile and a value all its channels. A **step** of
    a tile multiplies the values of one word, one float32 or four bytes, of each pixel by the
    weights of the panel, ``(word, width of the panel)``.
    """

    @property
    def dtype(self) -> type[np.generic]:
        """The type of the elements of maps."""

    @property
    def lanes(self) -> int:
        """Elements of the vectors that are moved; a pixel's channels are padded to them."""

    @property
    def columns(self) -> int:
        """Channels that one vector of sums holds."""

    @property
    def most_pixels(self) -> Mapping[int, int]:
        """Most pixels of a tile by the vectors of its panel, in the order of panels."""

    @property
    def epilogue_numbers(self) -> int:
        """Numbers of each channel in the epilogue: its bias, and in int8 its scale too."""

    @property
    def strided_only(self) -> bool:
        """Whether products read pixels at equal distances only, so never around a border."""

    @property
    def class_vectors(self) -> int:
        """Vectors of classes that the classifier computes at once for one image."""

    def vectors(self, channels: int) -> int:
        """Return how many vectors of ``lanes`` hold the channels of a pixel."""

    def split(self, vectors: int) -> list[int]:
        """Return the vectors of each panel, kinds in the order of ``most_pixels``."""

    def steps(self, inputs: int, runs: int = 1) -> int:
        """Return the steps that read so many inputs, which lie in so many equal runs.

        The last step may read up to a cache line beyond them, and multiply that by zeros.
        """

    def pack(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        """Pack the weights of a product, ``(in, out)``, panel by panel: ``(words,)``.

        Args:
            weight: The weights, ``(in, out)``.
            widths: Channels of each panel.
            kind: The kind of the product.
            runs: Offsets from a pixel at which its inputs begin.
        """

    def pack_epilogue(
        self, scale: Floats | None, bias: Floats, widths: Sequence[int], kind: Kind = ""
    ) -> Floats:
        """Pack scale and bias, ``(out,)`` each, as the sums of each panel lie: ``(numbers,)``."""

    def pack_filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        """Pack a depthwise convolution: ``(words,)`` of weights, ``(numbers,)`` of its epilogue.

        Args:
            weight: ``(channels, taps)``.
            scale: ``(channels,)``, in int8.
            bias: ``(channels,)``.
            channels: The number of channels after padding to whole vectors.
        """


def panel_widths(layout: Layout, channels: int) -> list[int]:
    """Return how many channels each panel has that some channels are cut into.

    >>> from shufflenet.codegen.kernels._float_layout import FloatLayout
    >>> panel_widths(FloatLayout(lanes=8, registers=16), 116)
    [16, 16, 16, 16, 16, 16, 24]
    """
    return [layout.columns * vectors for vectors in layout.split(-(-channels // layout.columns))]


def panel_counts(layout: Layout, widths: Sequence[int]) -> dict[int, int]:
    """Return how many panels there are by the vectors that a panel has."""
    return {vectors: widths.count(vectors * layout.columns) for vectors in layout.most_pixels}


def class_panels(layout: Layout, classes: int) -> int:
    """Return how many panels of ``class_vectors`` vectors hold classes."""
    return -(-classes // (layout.class_vectors * layout.columns))


def pad_rows(values: Array, length: int) -> Array:
    """Pad ``(n, ...)`` with zeros to ``(length, ...)``."""
    return np.pad(values, [(0, length - len(values)), *[(0, 0)] * (values.ndim - 1)])
