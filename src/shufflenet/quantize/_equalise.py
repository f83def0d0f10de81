"""Channels of one tensor brought to like ranges, and the function left as it is."""

import numpy as np

from shufflenet.quantize._graph import Floats, Graph
from shufflenet.quantize._observe import Spans

__all__ = ["equalised", "rescaled"]

_STRENGTH = 0.5  # of 0 (channels stay as they are) to 1 (all of a tensor have the same range)
_LEAST = 0.05  # of the median range: what hardly ever fires must not fill its range by chance


def rescaled(graph: Graph, scale: Floats, shift: Floats) -> Graph:
    """Give the graph whose channels hold ``(x - shift) / scale``, and which computes the same.

    A layer that made ``w @ x + b`` of channels ``x`` makes of ``y = (x - shift) / scale`` ::

        (w * scale) @ y + (b + w @ shift)

    and its own channels are divided and shifted as theirs say. It is the same function but at a
    border, where a padded 0 stands for ``shift``.

    Args:
        graph: The network.
        scale: ``(channels,)``, a factor for each numbered channel; 1 where it is not scalable.
        shift: ``(channels,)``, likewise; 0 where it is not shiftable.
    """
    weights = {}
    for layer in graph.layers:
        weight, bias = graph.weights[layer.weight], graph.weights[layer.bias]
        read, made = graph.columns(layer), graph.channels.of[layer.makes]
        moved = bias + (weight * shift[read][..., None, None]).sum((1, 2, 3)) - shift[made]
        factor = scale[read] / scale[made][:, None]
        weights[layer.weight] = weight * factor[..., None, None]
        weights[layer.bias] = moved / scale[made]
    return graph.with_weights(weights)


def equalised(graph: Graph, spans: Spans) -> Graph:
    """Spread the channels of each tensor over its int8 range.

    All channels of a tensor share one scale in int8, so a channel of small values has few steps.
    A factor moved from the layer that makes it into those that read it changes that: ReLU lets
    factors through, and so do pooling, Split and Concat. A depthwise layer takes any factor, since
    its weights have a scale a channel; elsewhere a weight's column grows with its channel, and
    half the way (the square root) is where both lose least. What no ReLU follows and nothing pads,
    the output of a depthwise layer, is moved to begin at 0 as well.

    Sources: Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias
    Correction, section 4.1; Xiao et al. 2023, SmoothQuant, equation 4, for the square root.
    """
    channels = graph.channels
    scale, shift = np.ones(len(channels.scalable)), np.zeros(len(channels.scalable))
    mixed = np.zeros(len(channels.scalable), bool)  # read by a layer that mixes channels
    for layer in graph.layers:
        if layer.groups == 1 or graph.weights[layer.weight].shape[1] > 1:
            mixed[channels.of[layer.reads]] = True
    for layer in graph.layers:
        made = channels.of[layer.makes]
        if channels.scalable[made].all():
            moves = channels.shiftable[made].all()
            shift[made] = spans.low[made] if moves else 0
            span = spans.high[made] - shift[made]
            span = np.maximum(span, max(_LEAST * float(np.median(span)), 1e-6))
            scale[made] = span ** np.where(mixed[made], _STRENGTH, 1)
    return rescaled(graph, scale * _levels(graph, spans, scale, shift), shift)


def _levels(graph: Graph, spans: Spans, scale: Floats, shift: Floats) -> Floats:
    """Give the factors that make the largest channel of each layer reach 1."""
    factors = np.ones(len(scale))
    for layer in graph.layers:
        made = graph.channels.of[layer.makes]
        if graph.channels.scalable[made].all():
            reach = (spans.high[made] - shift[made]) / scale[made]
            factors[made] = max(float(reach.max()), 1e-6)
    return factors
