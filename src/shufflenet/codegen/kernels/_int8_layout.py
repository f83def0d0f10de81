"""How int8 weights lie in memory, and which of their products may be added in 16 bits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from shufflenet.codegen.kernels._layout import CLASS_VECTORS, LINE_WORDS, Array, Kind, pad_rows
from shufflenet.codegen.kernels._pairs import pair_steps
from shufflenet.codegen.kernels._word_steps import STEP, word_steps
from shufflenet.graph import Floats, Weights

__all__ = ["LANES", "Int8Layout", "lane_order"]

LANES = 16  # bytes of the vectors that are moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Layout:
    """The layout of networks whose maps are bytes, 0 to 255, and whose weights are int8.

    A step of a product multiplies four bytes of a pixel by four weights of each channel. A panel
    begins with a header of int32 words, padded to whole cache lines: how many pairs of steps there
    are whose products can be added in 16 bits, then the offset of each step's bytes from the pixel,
    those of pairs first. The weights follow, step by step in the same order,
    ``(steps, 4 / together, width, together)``.

    Attributes:
        columns: int32 sums that a vector holds.
        most_pixels: Most pixels of a tile by the vectors of its panel, in the order of panels.
        together: Inputs whose products one instruction adds to each sum: four, two or one.
        in_pairs: Whether products of two steps are added in 16 bits where they fit.
        taps: What the taps of a depthwise convolution are padded to a multiple of.
        filter_dtype: The type of depthwise weights.
        filter_vectors: Vectors of sums that a depthwise convolution computes at once.
        filter_widths: Channels that it computes at once; each width as often as it fits.
        subtracted: What is subtracted from values before they are multiplied. What that takes from
            each sum stands before the weights: of a panel as one step more, ``(width,)``, and of
            a depthwise convolution as taps more (``filter_subtracted``).
        filters_whole: Whether nothing is subtracted from values of depthwise convolutions.
        block: Steps whose inputs lie beside each other for each channel, ``(steps / block, width,
            4 * block)``, in products of inputs in one run but for logits.
        whole_steps: Steps that a product's inputs in one run are padded to a multiple of.
        strided_only: Whether products read pixels at equal distances only.
        class_vectors: Vectors of classes that the classifier computes at once for one image.
    """

    columns: int
    most_pixels: Mapping[int, int]
    in_pairs: bool
    taps: int
    filter_dtype: type[np.generic]
    filter_vectors: int
    filter_widths: Sequence[int]
    together: int = STEP
    subtracted: int = 0
    filters_whole: bool = False
    block: int = 1
    whole_steps: int = 1
    strided_only: bool = False
    class_vectors: int = CLASS_VECTORS
    dtype = np.uint8
    lanes = LANES
    epilogue_numbers = 2

    @property
    def filter_subtracted(self) -> int:
        """What is subtracted from the values of a depthwise convolution."""
        return 0 if self.filters_whole else self.subtracted

    def vectors(self, channels: int) -> int:
        """Return how many vectors of 16 bytes hold the channels of a pixel."""
        return -(-channels // LANES)

    def split(self, vectors: int) -> list[int]:
        """Return the vectors of each panel: as many as possible of the first kind, and so on."""
        panels = []
        for kind in self.most_pixels:
            panels += [kind] * (vectors // kind)
            vectors %= kind
        return panels

    def steps(self, inputs: int, runs: int = 1) -> int:
        """Return the steps of a product: one for four inputs of a run; one for ``subtracted``."""
        steps = runs * -(-inputs // runs // STEP)
        whole = steps if runs > 1 else -(-steps // self.whole_steps) * self.whole_steps
        return whole + bool(self.subtracted)

    def pack(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        """Pack weights, ``(in, out)``, panel by panel: ``(words,)``."""
        if len(runs) == 1:
            whole_steps = self.steps(len(weight)) - bool(self.subtracted)
            weight = pad_rows(weight, STEP * whole_steps)
        wide = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])
        wide = wide[:, self._channel_order(widths, kind)]
        length = len(weight) // len(runs)
        offsets = [run + first for run in runs for first in range(0, length, STEP)]
        # A classifier waits for its weights: pairs would not make it faster.
        in_pairs = self.in_pairs and kind != "logits"
        panels = np.split(wide, np.cumsum(widths)[:-1], axis=1)
        steps = [word_steps(panel, len(runs)) for panel in panels]
        block = self.block if len(runs) == 1 and kind != "logits" else 1
        packed = [self._pack_panel(each, offsets, block, in_pairs=in_pairs) for each in steps]
        return np.concatenate(packed)

    def _pack_panel(
        self, steps: npt.NDArray[np.int8], offsets: Sequence[int], block: int, *, in_pairs: bool
    ) -> Array:
        """Pack one panel, ``(steps, width, 4)``, behind its header."""
        pairs = pair_steps(steps) if in_pairs else []
        paired = [step for pair in pairs for step in pair]
        order = [*paired, *(step for step in range(len(steps)) if step not in set(paired))]
        first = [self._first_sums(steps, (0, 2))] if self.subtracted else []
        numbers = [len(pairs), *[0] * len(first), *(offsets[step] for step in order)]
        header = np.pad(np.array(numbers, np.int32), (0, -len(numbers) % LINE_WORDS))
        if block > 1:
            parts = steps.reshape(-1, block, steps.shape[1], STEP).swapaxes(1, 2)
        else:
            parts = steps[order].reshape(*steps.shape[:2], -1, self.together).swapaxes(1, 2)
        return np.concatenate([header, *first, parts.ravel().view(np.int32)])

    def _first_sums(self, weights: Weights, axes: int | tuple[int, ...]) -> npt.NDArray[np.int32]:
        """Return what sums begin with, since ``subtracted`` is taken from values."""
        totals: npt.NDArray[np.int32] = self.subtracted * weights.sum(axes, np.int32)
        return totals

    def pack_epilogue(
        self, scale: Floats | None, bias: Floats, widths: Sequence[int], kind: Kind = ""
    ) -> Floats:
        """Pack scale and bias, ``(out,)``: of each panel all scales, then all biases."""
        return _pack_epilogue(scale, bias, widths, self._channel_order(widths, kind))

    def _channel_order(self, widths: Sequence[int], kind: Kind) -> list[int]:
        """Return the order of channels in panels; logits are not packed to bytes."""
        if kind == "logits":
            return list(range(sum(widths)))
        return _channel_order(widths, [width // self.columns for width in widths])

    def pack_filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        """Pack depthwise weights, ``(channels, taps)``: some taps of all channels of a width."""
        widths: list[int] = []
        for width in self.filter_widths:
            widths += [width] * ((channels - sum(widths)) // width)
        order = _channel_order(widths, [self.filter_vectors] * len(widths))
        whole = np.pad(weight, [(0, channels - len(weight)), (0, -weight.shape[1] % self.taps)])
        taps = whole.astype(self.filter_dtype)[order]
        if self.filter_subtracted:
            first = self._first_sums(taps, 1)[:, None].view(self.filter_dtype)
            taps = np.concatenate([first, taps], axis=1)
        taps = taps.reshape(len(order), -1, min(self.taps, self.together))
        blocks = np.split(taps, np.cumsum(widths)[:-1])
        packed = np.concatenate([block.swapaxes(0, 1).ravel() for block in blocks])
        return packed, _pack_epilogue(scale, bias, widths, order)


def lane_order(vectors: int, lanes: int) -> list[int]:
    """Return the channel of each lane of one, two or four vectors of sums.

    What packs int32 to bytes works on parts of 16 bytes. In this order of sums, bytes in the order
    of channels come out.

    >>> lane_order(2, 8)
    [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15]
    """
    return [
        4 * vectors * (lane // 4) + 4 * vector + lane % 4
        for vector in range(vectors)
        for lane in range(lanes)
    ]


def _channel_order(widths: Sequence[int], vectors: Sequence[int]) -> list[int]:
    """Return the channel of each lane of panels of these widths, and of so many vectors each."""
    starts = accumulate(widths, initial=0)
    return [
        start + lane
        for start, width, count in zip(starts, widths, vectors, strict=False)
        for lane in lane_order(count, width // count)
    ]


def _pack_epilogue(
    scale: Floats | None, bias: Floats, widths: Sequence[int], order: Sequence[int]
) -> Floats:
    scale = np.ones_like(bias) if scale is None else scale
    both = np.stack([pad_rows(values, sum(widths))[order] for values in (scale, bias)])
    parts = np.split(both, np.cumsum(widths)[:-1], axis=1)
    return np.concatenate([part.ravel() for part in parts])
