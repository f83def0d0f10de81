"""Factors and shifts that give the channels of a tensor similar ranges, without changing it."""

import numpy as np

from shufflenet.quantize._float_graph import FloatGraph, Floats
from shufflenet.quantize._observe import Ranges

__all__ = ["embedding_scale", "equalize", "rescale"]

_STRENGTH = 0.5  # from 0 (channels stay as they are) to 1 (all of a tensor get the same range)
_LEAST = 0.05  # times the median range: a smaller range may be an accident of few images


def rescale(graph: FloatGraph, scale: Floats, shift: Floats) -> FloatGraph:
    """Return the graph whose channels hold ``(x - shift) / scale`` and that computes the same.

    A layer that computed ``w @ x + b`` from channels ``x`` computes, from ``y = (x - shift) /
    scale``, ::

        (w * scale) @ y + (b + w @ shift)

    and its output channels are shifted and divided in turn. The function is the same except at
    borders, where a padded 0 stands for ``shift``.

    Args:
        graph: The network.
        scale: ``(channels,)``, the factor of each numbered channel; 1 where it is not scalable.
        shift: ``(channels,)``, the shift of each channel; 0 where it is not shiftable.
    """
    weights = {}
    for layer in graph.layers:
        weight, bias = graph.weights[layer.weight], graph.weights[layer.bias]
        inputs, outputs = graph.columns(layer), graph.channels.of[layer.output]
        shifted = bias + (weight * shift[inputs][..., None, None]).sum((1, 2, 3)) - shift[outputs]
        factor = scale[inputs] / scale[outputs][:, None]
        weights[layer.weight] = weight * factor[..., None, None]
        weights[layer.bias] = shifted / scale[outputs]
    return graph.with_weights(weights)


def equalize(graph: FloatGraph, ranges: Ranges) -> FloatGraph:
    """Return the graph with the channels of each tensor spread over its int8 range.

    All channels of a tensor share one scale in int8, so that a channel of small values has few
    steps. A factor moved from the layer that computes a channel to the layers that read it changes
    that, and ReLU, pooling, Split and Concat let factors through. A depthwise layer takes any
    factor, since its weights have one scale a channel. Elsewhere a column of weights grows with its
    channel, and the square root of the range is the factor with the smallest loss in both. Outputs
    that no ReLU follows and no layer pads, those of depthwise layers, are also shifted to begin
    at 0.

    Sources: Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias
    Correction, section 4.1; Xiao et al. 2023, SmoothQuant, equation 4, for the square root.

    Args:
        graph: The network.
        ranges: Of its channels, ``(channels,)`` each.
    """
    channels = graph.channels
    scale, shift = np.ones(len(channels.scalable)), np.zeros(len(channels.scalable))
    is_mixed = np.zeros(len(channels.scalable), bool)  # read by a layer that mixes channels
    for layer in graph.layers:
        if layer.groups == 1 or graph.weights[layer.weight].shape[1] > 1:
            is_mixed[channels.of[layer.input]] = True
    for layer in graph.layers:
        outputs = channels.of[layer.output]
        if channels.scalable[outputs].all():
            shift[outputs] = ranges.low[outputs] if channels.shiftable[outputs].all() else 0
            span = ranges.high[outputs] - shift[outputs]
            span = np.maximum(span, max(_LEAST * float(np.median(span)), 1e-6))
            scale[outputs] = span ** np.where(is_mixed[outputs], _STRENGTH, 1)
    return rescale(graph, scale * _normalizers(graph, ranges, scale, shift), shift)


def _normalizers(graph: FloatGraph, ranges: Ranges, scale: Floats, shift: Floats) -> Floats:
    """Return factors, ``(channels,)``, for which the largest channel of each layer reaches 1."""
    factors = np.ones(len(scale))
    for layer in graph.layers:
        outputs = graph.channels.of[layer.output]
        if graph.channels.scalable[outputs].all():
            reach = (ranges.high[outputs] - shift[outputs]) / scale[outputs]
            factors[outputs] = max(float(reach.max()), 1e-6)
    return factors


def embedding_scale(before: FloatGraph, after: FloatGraph) -> Floats:
    """Return what the last layer's inputs were divided by in equalizing, ``(channels,)``.

    That is how many times larger the layer's weights became; 1 where they are all 0.
    """
    weight, larger = (graph.weights[graph.layers[-1].weight] for graph in (before, after))
    norms = np.linalg.norm(weight.reshape(len(weight), -1), axis=0)
    result = np.linalg.norm(larger.reshape(len(larger), -1), axis=0)
    return np.where(norms > 0, result / np.where(norms > 0, norms, 1), 1)
