"""The first convolution of a network, adapted to images of other channels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from shufflenet.networks import AnyNetwork, Detector, build_with, state_arrays
from shufflenet.spec import Preprocess

__all__ = ["adapt_channels", "sum_channels", "with_in_channels", "with_preprocess"]

# Of every network: (channels, in_channels, height, width), and what its batch norm subtracts.
_WEIGHT, _MEAN = "conv1.0.weight", "conv1.1.running_mean"

_Weight = npt.NDArray[np.float32]
_Numbers = npt.NDArray[np.float64]
_Net = TypeVar("_Net", bound=AnyNetwork)


def with_in_channels(net: _Net, in_channels: int) -> _Net:
    """Return a copy of a network, in evaluation mode, that takes another number of channels.

    Only the weights of the first convolution change, as ``adapt_channels`` says: an input whose
    channels are all alike gives what it gave.
    """
    arrays = state_arrays(net)
    weight = adapt_channels(arrays[_WEIGHT].astype(np.float32), in_channels)
    return _rebuilt(net, in_channels, {**arrays, _WEIGHT: weight})


def adapt_channels(weight: _Weight, wanted: int) -> _Weight:
    """Return the weights of a convolution for another number of input channels.

    The sum over the input channels stays, and with it what the convolution makes of an input whose
    channels are all alike. Of the weights ``w`` of ``c`` channels, ``n`` are made:

    - fewer: channel ``i`` gets ``w[i]`` and an ``n``-th of the weights of the channels that are no
      more, ``w[i] + sum(w[n:]) / n``; for a single channel that is the sum of all;
    - more: each channel that was there gets ``c / n * w[i]``, each new one ``c / n`` of their mean.

    >>> colors = np.array([[1.0, 2.0, 6.0]], np.float32)[..., None, None]
    >>> for channels in (1, 2, 4):
    ...     print(adapt_channels(colors, channels)[0, :, 0, 0])
    [9.]
    [4. 5.]
    [0.75 1.5  4.5  2.25]

    Args:
        weight: ``(channels, c, height, width)``.
        wanted: The number ``n``.
    """
    known = weight.shape[1]
    if wanted <= known:
        rest = weight[:, wanted:].sum(axis=1, keepdims=True, dtype=np.float32)
        fewer: _Weight = weight[:, :wanted] + rest / np.float32(wanted)
        return fewer
    mean = weight.mean(axis=1, keepdims=True)
    every = np.concatenate([weight, mean.repeat(wanted - known, axis=1)], axis=1)
    adapted: _Weight = every * np.float32(known / wanted)
    return adapted


def with_preprocess(net: _Net, before: Preprocess, after: Preprocess) -> _Net:
    """Return a copy of a network, in evaluation mode, for images of other channels.

    A network for gray images gives for each what the network before gave for its copy in red, green
    and blue, up to what padding does at the border: see ``sum_channels``. Other channels are
    adapted by ``adapt_channels``, of which the first are red, green and blue, whatever the order
    of colors was; opacity is left out where only colors are wanted. Mean and deviation of the
    channels that stay have to be the same.

    Args:
        net: The network; it is not changed.
        before: How its images were read.
        after: How they are read now; its mean and deviation may differ where one channel is left.
    """
    if _kind(before) == _kind(after):
        return net
    arrays = state_arrays(net)
    weight, mean, std = _colors_first(arrays[_WEIGHT].astype(np.float32), before)
    if before.channels == "rgba" and after.channels != "stored":
        weight, mean, std = weight[:, :3], mean[:3], std[:3]
    changed: dict[str, npt.NDArray[np.generic]] = {}
    if after.in_channels == 1 < weight.shape[1]:
        one = after.mean[0] / after.value_range, after.std[0] / after.value_range
        weight, moved = sum_channels(weight, (mean, std), one)
        changed[_MEAN] = arrays[_MEAN].astype(np.float32) - moved
    else:
        weight = adapt_channels(weight, after.in_channels)
    changed[_WEIGHT] = np.ascontiguousarray(weight[:, :: -1 if after.channels == "bgr" else 1])
    return _rebuilt(net, after.in_channels, {**arrays, **changed})


def _rebuilt(net: _Net, in_channels: int, arrays: Mapping[str, npt.NDArray[np.generic]]) -> _Net:
    """Build a network of another number of input channels with these weights."""
    detector = net.detector if isinstance(net, Detector) else None
    return cast(_Net, build_with(replace(net.spec, in_channels=in_channels), arrays, detector))


def sum_channels(
    weight: _Weight, before: tuple[_Numbers, _Numbers], after: tuple[float, float]
) -> tuple[_Weight, _Weight]:
    """Return the weights for one channel, and by how much the outputs are less with them.

    Input ``(g - m[c]) / s[c]`` of every channel ``c`` becomes the one input ``(g - m') / s'``. With
    weights ``w'[k] = s' * sum over c of w[c, k] / s[c]`` at the places ``k`` of the kernel, outputs
    are less by ``sum over c and k of w[c, k] * (m' - m[c]) / s[c]``, wherever the whole kernel lies
    in the image; the batch norm that follows has to subtract as much less.

    >>> weight = np.array([[[[1.0]], [[2.0]], [[6.0]]]], np.float32)
    >>> mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.2, 0.3])
    >>> one, moved = sum_channels(weight, (mean, std), (0.4, 0.25))
    >>> def convolve(gray):
    ...     return float(sum((1, 2, 6) * (gray - mean) / std))
    >>> round(convolve(0.7), 4), round(float(one[0, 0, 0, 0] * (0.7 - 0.4) / 0.25 + moved[0]), 4)
    (12.0, 12.0)

    Args:
        weight: ``(channels, c, height, width)``.
        before: Mean and deviation of every channel, each ``(c,)``, in shares of the largest value.
        after: Those of the one channel.

    Returns:
        Weights ``(channels, 1, height, width)``, and ``(channels,)``.
    """
    mean, std = before
    scaled = weight / std[:, None, None]
    one = after[1] * scaled.sum(axis=1, keepdims=True)
    moved = (scaled.sum(axis=(2, 3)) * (after[0] - mean)).sum(axis=1)
    return one.astype(np.float32), moved.astype(np.float32)


def _kind(how: Preprocess) -> tuple[str, int]:
    return how.channels, how.in_channels


def _colors_first(weight: _Weight, how: Preprocess) -> tuple[_Weight, _Numbers, _Numbers]:
    """Return weights, means and deviations with red first, in shares of the largest value."""
    step = -1 if how.channels == "bgr" else 1
    mean, std = (np.array(each)[::step] / how.value_range for each in (how.mean, how.std))
    return weight[:, ::step], mean, std
