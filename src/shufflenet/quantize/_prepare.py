"""What all attempts at putting one network in int8 share."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnxruntime.quantization.calibrate import TensorData, TensorsData

from shufflenet.preprocess import normalize
from shufflenet.quantize._equalise import equalised
from shufflenet.quantize._fill import fill_up
from shufflenet.quantize._graph import Graph, Layer, as_model
from shufflenet.quantize._images import Drawn
from shufflenet.quantize._judge import Judge, logits_of
from shufflenet.quantize._observe import Images, Pixels, Progress, moments_of, spans_of
from shufflenet.quantize._pixels import centre_of, planes, reads_pixels, takes_bytes
from shufflenet.quantize._ranges import Calibrator, ranges_of
from shufflenet.quantize._round import Rounded, WeightRange, rounded
from shufflenet.quantize._write import int8_model
from shufflenet.runtimes import computes_int8_exactly
from shufflenet.spec import Preprocess

__all__ = ["Prepared", "attempt", "calibrated", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A network ready for int8.

    Attributes:
        graph: In float, its channels equalised.
        rounded: The same with the weights and biases that int8 stands for.
        weights: Those weights in int8.
        calibration: Images, ``(n, h, w, 3)``.
        judge: Other images, and what the network answers in float.
        feed: Makes of images what the float graph takes.
        feed_int8: Makes of images what the int8 file will take.
        centre: The grey level that is 0 to a file that takes bytes; none, if it takes floats.
        exactly: Whether this processor must compute int8 step by step to compute it rightly.
    """

    graph: Graph
    rounded: Graph
    weights: dict[str, Rounded]
    calibration: Pixels
    judge: Judge
    feed: Callable[[Pixels], Images]
    feed_int8: Callable[[Pixels], Images]
    centre: int | None
    exactly: bool


def prepare(
    graph: Graph,
    how: Preprocess,
    drawn: Drawn,
    *,
    weight_range: WeightRange,
    pixels: bool,
    on_progress: Progress,
) -> Prepared:
    """Observe a network on calibration images, equalise it and round its weights.

    Args:
        graph: The network in float.
        how: How its images are prepared.
        drawn: Images; without labels, what the float network answers is right.
        weight_range: See ``rounded``.
        pixels: Whether the file is to take bytes.
        on_progress: Called with the number of images computed since the last call.

    Raises:
        SpecError: it cannot take bytes.
    """

    def prepared(images: Pixels) -> Images:
        return normalize(images, how)

    reference = logits_of(as_model(graph), drawn.judging, prepared, on_progress=on_progress)
    labels = reference.argmax(1) if drawn.labels is None else drawn.labels
    if pixels:
        graph, feed = reads_pixels(graph, how)
    else:
        feed = prepared
    graph = equalised(graph, spans_of(graph, drawn.calibration, feed, on_progress))
    moments = moments_of(graph, drawn.calibration, feed, on_progress)
    stored, weights = rounded(graph, moments, weight_range)
    return Prepared(
        graph=graph,
        rounded=stored,
        weights=weights,
        calibration=drawn.calibration,
        judge=Judge(drawn.judging, labels, reference),
        feed=feed,
        feed_int8=planes if pixels else prepared,
        centre=centre_of(how) if pixels else None,
        exactly=weight_range == "full" and not computes_int8_exactly(),
    )


def calibrated(
    network: Prepared, calibrator: Calibrator, on_progress: Progress = lambda done: None
) -> TensorsData:
    """Choose the ranges of all tensors; that of the input is what white and black become."""
    found = ranges_of(network.graph, network.calibration, network.feed, calibrator, on_progress)
    side = network.calibration.shape[1]
    ends = np.repeat(np.array([0, 255], np.uint8), side * side * 3).reshape(2, side, side, 3)
    fed = network.feed(ends)
    found.data[network.graph.input] = TensorData(
        lowest=np.float32(fed.min()), highest=np.float32(fed.max())
    )
    return found


def attempt(
    network: Prepared, ranges: TensorsData, kept: Collection[Layer] = ()
) -> onnx.ModelProto:
    """Make the int8 model, but for the layers that are kept in float."""
    own = {
        name: network.graph.weights[name] for layer in kept for name in (layer.weight, layer.bias)
    }
    without = [node for layer in kept for node in layer.nodes]
    graph = network.rounded.with_weights(own)
    model = int8_model(graph, ranges, network.weights, without=without)
    fill_up(model, graph)
    if network.centre is not None:
        takes_bytes(model, network.centre)
    return model
