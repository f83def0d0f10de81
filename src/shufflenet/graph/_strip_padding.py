"""Channels that only fill up, left out: files have some that make other runtimes faster."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shufflenet.graph._layers import ChannelSlice, Convolution, Layer, only_reader

__all__ = ["strip_padding"]


def strip_padding(layers: Sequence[Layer]) -> list[Layer]:
    """Leave out the last channels of bottlenecks, as far as they are multiplied with zeros alone.

    Of a 1x1, a depthwise and a 1x1 convolution that nothing else reads, these are channels between
    them, filled up to fours in float32 and to sixteens in int8. None goes from among others: the
    weights of int8 are bounded by pairs of neighbours, which all that follow would change.
    """
    found = list(layers)
    for middle in layers:
        first = next((layer for layer in found if layer.output == middle.inputs[0].tensor), None)
        if not (isinstance(first, Convolution) and isinstance(middle, Convolution)):
            continue
        last = only_reader(found, middle)
        if (
            isinstance(last, Convolution)
            and first.kernel == first.groups == last.kernel == last.groups == 1
            and middle.depthwise
            and not (first.residual or middle.residual)
            and only_reader(found, first) is middle
        ):
            read = np.flatnonzero(last.weight.any(axis=(0, 2, 3)))
            count = int(read.max(initial=0)) + 1
            if 1 < count < len(middle.weight):
                output = replace(_first_of(middle, count), groups=count)
                _put(found, first, _first_of(first, count))
                _put(found, middle, replace(output, inputs=(ChannelSlice(first.output, 0, count),)))
                inputs = (ChannelSlice(middle.output, 0, count),)
                _put(found, last, replace(last, weight=last.weight[:, :count], inputs=inputs))
    return found


def _first_of(layer: Convolution, count: int) -> Convolution:
    """Let a convolution make the first of its channels."""
    scale = None if layer.scale is None else layer.scale[:count]
    return replace(layer, weight=layer.weight[:count], bias=layer.bias[:count], scale=scale)


def _put(layers: list[Layer], old: Layer, new: Layer) -> None:
    layers[[layer is old for layer in layers].index(True)] = new
