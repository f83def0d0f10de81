"""Channels that nothing makes use of, left out: files have some that make other runtimes faster."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shufflenet.native._layers import Convolution, Layer, Piece, only_reader

__all__ = ["without_unread"]


def without_unread(layers: Sequence[Layer]) -> list[Layer]:
    """Leave out what the last layer of a bottleneck multiplies with zeros alone.

    Of a 1x1, a depthwise and a 1x1 convolution that nothing else reads, these are channels between
    them: such as fill up their number, to fours in float32 and to sixteens in int8.
    """
    found = list(layers)
    for middle in layers:
        first = next((layer for layer in found if layer.made == middle.reads[0].map), None)
        if not (isinstance(first, Convolution) and isinstance(middle, Convolution)):
            continue
        last = only_reader(found, middle)
        if (
            isinstance(last, Convolution)
            and first.groups == last.groups == last.kernel == 1
            and middle.depthwise
            and only_reader(found, first) is middle
        ):
            keep = np.flatnonzero(last.weight.any(axis=(0, 2, 3)))
            if 1 < len(keep) < len(middle.weight):
                narrow = _making(middle, keep)
                _put(found, first, _making(first, keep))
                _put(found, middle, replace(narrow, reads=_all(first, keep), groups=len(keep)))
                _put(
                    found,
                    last,
                    replace(last, reads=_all(middle, keep), weight=last.weight[:, keep]),
                )
    return found


def _making(layer: Convolution, keep: npt.NDArray[np.intp]) -> Convolution:
    """Let a convolution make some of its channels."""
    scale = None if layer.scale is None else layer.scale[keep]
    return replace(layer, weight=layer.weight[keep], bias=layer.bias[keep], scale=scale)


def _all(layer: Convolution, keep: npt.NDArray[np.intp]) -> tuple[Piece, ...]:
    return (Piece(layer.made, 0, len(keep)),)


def _put(layers: list[Layer], old: Layer, new: Layer) -> None:
    layers[[layer is old for layer in layers].index(True)] = new
