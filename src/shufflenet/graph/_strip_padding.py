"""Removal of padding channels, which files have because other runtimes are faster with them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shufflenet.graph._layers import ChannelSlice, Convolution, Layer, only_reader

__all__ = ["strip_padding"]


def strip_padding(layers: Sequence[Layer]) -> list[Layer]:
    """Remove the last channels of bottlenecks whose weights in the next layer are all zero.

    A bottleneck is a 1x1, a depthwise and a 1x1 convolution, and nothing else reads the channels
    between them. Files pad those to a multiple of 4 in float32 and of 16 in int8. A channel between
    others stays: int8 weights are bounded in pairs of neighbors, and its removal would change the
    pairs after it.
    """
    stripped = list(layers)
    for middle in layers:
        first = next((layer for layer in stripped if layer.output == middle.inputs[0].tensor), None)
        if not (isinstance(first, Convolution) and isinstance(middle, Convolution)):
            continue
        last = only_reader(stripped, middle)
        if (
            isinstance(last, Convolution)
            and first.kernel == first.groups == last.kernel == last.groups == 1
            and middle.depthwise
            and not (first.residual or middle.residual)
            and only_reader(stripped, first) is middle
        ):
            used = np.flatnonzero(last.weight.any(axis=(0, 2, 3)))
            count = int(used.max(initial=0)) + 1
            if 1 < count < len(middle.weight):
                _put(stripped, first, _first_of(first, count))
                inputs = (ChannelSlice(first.output, 0, count),)
                narrow = replace(_first_of(middle, count), groups=count, inputs=inputs)
                _put(stripped, middle, narrow)
                inputs = (ChannelSlice(middle.output, 0, count),)
                _put(stripped, last, replace(last, weight=last.weight[:, :count], inputs=inputs))
    return stripped


def _first_of(layer: Convolution, count: int) -> Convolution:
    """Return a convolution that computes only the first output channels."""
    scale = None if layer.scale is None else layer.scale[:count]
    return replace(layer, weight=layer.weight[:count], bias=layer.bias[:count], scale=scale)


def _put(layers: list[Layer], old: Layer, new: Layer) -> None:
    layers[[layer is old for layer in layers].index(True)] = new
