"""How float32 maps and weights lie in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shufflenet.codegen.kernels._layout import CLASS_VECTORS, LINE_WORDS, Array, Kind, pad_rows
from shufflenet.graph import Floats, Weights

__all__ = ["FloatLayout"]

_MOST_PIXELS = 10  # of a tile: for so many, general registers hold the addresses
# Likewise where each lane of a pixel's values multiplies weights, by the number of registers and
# the vectors of a panel: as many as LLVM's code for cores in and out of order holds in registers.
_MOST_PIXELS_BY_LANE = {32: {4: 5, 3: 6, 2: 9}, 16: {2: 4, 3: 3}}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatLayout:
    """The layout of float32 networks.

    A panel of a product whose inputs lie in several runs begins with a header: the offset of each
    step's value from the pixel, int32, padded to whole cache lines.

    Attributes:
        lanes: float32 values of a vector.
        registers: Vectors that the processor holds.
        by_lane: Whether vectors of values are loaded, each lane of which multiplies weights.
    """

    lanes: int
    registers: int
    by_lane: bool = False
    dtype = np.float32
    epilogue_numbers = 1
    strided_only = False
    class_vectors = CLASS_VECTORS

    @property
    def columns(self) -> int:
        """Channels that one vector of sums holds."""
        return self.lanes

    @property
    def most_pixels(self) -> Mapping[int, int]:
        """Most pixels of a tile by the vectors of its panel.

        >>> FloatLayout(lanes=16, registers=32).most_pixels
        {4: 6, 3: 9, 2: 10}
        >>> FloatLayout(lanes=4, registers=15).most_pixels
        {2: 6, 3: 3}
        >>> FloatLayout(lanes=4, registers=32, by_lane=True).most_pixels
        {4: 5, 3: 6, 2: 9}
        """
        # Of 16 registers, panels of four would leave two pixels.
        kinds = (4, 3, 2) if self.registers == 32 else (2, 3)
        # What is left of the registers holds the weights and a pixel's value, or values of all.
        if self.by_lane:
            return {kind: _MOST_PIXELS_BY_LANE[self.registers][kind] for kind in kinds}
        return {kind: min((self.registers - 1 - kind) // kind, _MOST_PIXELS) for kind in kinds}

    def vectors(self, channels: int) -> int:
        """Return how many vectors hold channels: two at least, for no panel has one.

        >>> FloatLayout(lanes=8, registers=16).vectors(4)
        2
        """
        return max(2, -(-channels // self.lanes))

    def split(self, vectors: int) -> list[int]:
        """Return the vectors of each panel.

        >>> FloatLayout(lanes=8, registers=16).split(7)
        [2, 2, 3]
        >>> FloatLayout(lanes=16, registers=32).split(9)
        [4, 3, 2]
        """
        most = max(2, vectors)
        if self.registers != 32:
            return [2] * ((most - 3 * (most % 2)) // 2) + [3] * (most % 2)
        fours, rest = divmod(most, 4)
        last = {0: [], 1: [3, 2], 2: [2], 3: [3]}[rest]
        return [4] * (fours - (rest == 1)) + last

    def steps(self, inputs: int, runs: int = 1) -> int:
        """Return the steps of a product: one for each input."""
        return inputs

    def pack(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        """Pack weights, ``(in, out)``, panel by panel: ``(words,)``."""
        wide = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])
        panels = [panel.ravel() for panel in np.split(wide, np.cumsum(widths)[:-1], axis=1)]
        if len(runs) > 1:
            length = len(weight) // len(runs)
            offsets = np.array([run + step for run in runs for step in range(length)], np.int32)
            header = np.pad(offsets, (0, -len(offsets) % LINE_WORDS)).view(np.float32)
            panels = [np.concatenate([header, panel]) for panel in panels]
        return np.concatenate(panels)

    def pack_epilogue(
        self, scale: Floats | None, bias: Floats, widths: Sequence[int], kind: Kind = ""
    ) -> Floats:
        """Pad the bias, ``(out,)``, to whole panels: ``(sum of widths,)``."""
        return pad_rows(bias, sum(widths))

    def pack_filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        """Pack depthwise ``(channels, taps)`` as ``(vectors, taps, lanes)``; and biases."""
        filters = pad_rows(weight, channels).reshape(-1, self.lanes, weight.shape[1])
        return filters.swapaxes(1, 2), pad_rows(bias, channels)
