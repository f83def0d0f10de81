"""A float network observed, equalized and rounded once, and the int8 models made from it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnxruntime.quantization import TensorsData

from shufflenet.errors import LogitsNotNumbers
from shufflenet.graph import WeightedLayer
from shufflenet.int8 import Int8Weights
from shufflenet.preprocess import normalize
from shufflenet.quantize._box_hold_out import BoxHoldOut
from shufflenet.quantize._box_split import BoxSplit
from shufflenet.quantize._byte_input import fold_normalization, take_bytes, to_planes, zero_byte
from shufflenet.quantize._equalize import embedding_scale, equalize
from shufflenet.quantize._float_graph import FloatGraph, Floats, to_model
from shufflenet.quantize._fold_stem import fold_stem
from shufflenet.quantize._hold_out import HoldOut
from shufflenet.quantize._int8_model import to_int8
from shufflenet.quantize._observe import observe_moments, observe_ranges
from shufflenet.quantize._options import QuantizeOptions
from shufflenet.quantize._pad_channels import pad_channels
from shufflenet.quantize._round_weights import round_weights
from shufflenet.quantize._session import Feed, Images, Logits, Pixels, Progress, compute_logits
from shufflenet.quantize._split import CalibrationSplit
from shufflenet.runtimes import computes_int8_exactly
from shufflenet.spec import Preprocess

__all__ = ["Prepared", "build_int8", "prepare", "run_int8"]


@dataclass(frozen=True)
class Prepared:
    """A network ready to be written in int8.

    Attributes:
        graph: The float network, its channels equalized.
        rounded: The same with the weights and biases that int8 stands for.
        weights: These weights in int8, by name.
        calibration: The images to calibrate on, ``(n, h, w, c)``.
        hold_out: Other images, with the float network's logits.
        feed: Converts images to the input of the float graph.
        feed_int8: Converts images to the input of the int8 file.
        zero: The byte that means 0 to a file that takes bytes; None if it takes floats.
        exact: Whether this processor must compute int8 step by step to get the right result.
        embedding_scale: What the inputs of the last layer were divided by, ``(channels,)``.
    """

    graph: FloatGraph
    rounded: FloatGraph
    weights: Mapping[str, Int8Weights]
    calibration: Pixels
    hold_out: HoldOut | BoxHoldOut
    feed: Feed
    feed_int8: Feed
    zero: int | None
    exact: bool
    embedding_scale: Floats


def prepare(
    graph: FloatGraph,
    how: Preprocess,
    split: CalibrationSplit | BoxSplit,
    options: QuantizeOptions,
    on_progress: Progress,
) -> Prepared:
    """Observe a network on calibration images, equalize it and round its weights.

    Args:
        graph: The float network.
        how: The preprocessing of its images.
        split: Images, ``(n, h, w, c)``; without labels, float's predictions count as correct.
        options: Whether the file takes bytes, and the range of its weights.
        on_progress: Called with the number of images computed since the last call.

    Raises:
        LogitsNotNumbers: the float network's logits are infinite or NaN.
        NumbersTooFarApart: values within the network are.
        SpecError: the network cannot take bytes.
    """
    normalized = _feed_normalized(how)
    reference = compute_logits(to_model(graph), split.held_out, normalized, on_progress=on_progress)
    if not np.isfinite(reference).all():
        raise LogitsNotNumbers(graph.source)
    graph, feed = fold_normalization(graph, how) if options.pixels else (graph, normalized)
    unequal = graph
    graph = equalize(graph, observe_ranges(graph, split.calibration, feed, on_progress))
    moments = observe_moments(graph, split.calibration, feed, on_progress)
    rounded, weights = round_weights(graph, moments, options.weight_range)
    return Prepared(
        graph=graph,
        rounded=rounded,
        weights=weights,
        calibration=split.calibration,
        hold_out=split.hold_out(reference),
        feed=feed,
        feed_int8=to_planes if options.pixels else normalized,
        zero=zero_byte(how) if options.pixels else None,
        exact=options.weight_range == "full" and not computes_int8_exactly(),
        embedding_scale=embedding_scale(unequal, graph),
    )


def _feed_normalized(how: Preprocess) -> Feed:
    def feed(images: Pixels) -> Images:
        return normalize(images, how)

    return feed


def build_int8(
    network: Prepared, ranges: TensorsData, in_float: Collection[WeightedLayer] = ()
) -> onnx.ModelProto:
    """Return the int8 model of a network.

    Args:
        network: The network.
        ranges: The ranges of its tensors.
        in_float: The layers that stay float.
    """
    weights = {
        name: network.graph.weights[name]
        for layer in in_float
        for name in (layer.weight, layer.bias)
    }
    without = {*network.graph.decoding, *(node for layer in in_float for node in layer.nodes)}
    graph = network.rounded.with_weights(weights)
    model = to_int8(graph, ranges, network.weights, without=without)
    pad_channels(model, graph)
    fold_stem(model, graph)
    if network.zero is not None:
        take_bytes(model, network.zero)
    return model


def run_int8(
    network: Prepared, model: onnx.ModelProto, images: Pixels, on_progress: Progress
) -> Logits:
    """Return the logits of an int8 model of a network, ``(n, classes)``.

    Args:
        network: The network.
        model: One of its int8 models.
        images: Pixels, ``(n, h, w, c)``.
        on_progress: Called with the number of images computed since the last call.
    """
    return compute_logits(
        model, images, network.feed_int8, exact=network.exact, on_progress=on_progress
    )
