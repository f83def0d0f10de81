"""The noise that each layer adds to the logits in int8."""

from dataclasses import dataclass

from onnxruntime.quantization import TensorsData

from shufflenet.graph import WeightedLayer
from shufflenet.quantize._float_graph import FloatGraph
from shufflenet.quantize._int8_model import to_int8
from shufflenet.quantize._prepare import Prepared
from shufflenet.quantize._session import Progress, compute_logits

__all__ = ["LayerNoise", "layer_name", "measure_layer_noise"]

_IMAGES = 64  # enough to distinguish layers that differ by 1 dB


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNoise:
    """The effect of one layer in int8 on the logits, with all other layers in float.

    Attributes:
        layer: Its name in the network, such as ``stages.0.opening.1.0``.
        kind: What it is, such as ``depthwise 3x3``.
        signal_to_noise_db: The ratio of the logits to their error, in dB.
    """

    layer: str
    kind: str
    signal_to_noise_db: float


def layer_name(layer: WeightedLayer) -> str:
    """Return the name of a layer in the network, such as ``stages.0.opening.1.0``."""
    return layer.weight.removesuffix(".float32").removesuffix(".weight")


def measure_layer_noise(
    network: Prepared, ranges: TensorsData, on_progress: Progress
) -> list[LayerNoise]:
    """Return the noise of each layer when it alone is in int8, the noisiest layer first.

    Args:
        network: The network; the first 64 images held out are computed.
        ranges: The ranges of its tensors.
        on_progress: Called with the number of images computed since the last call.
    """
    images = network.hold_out.images[:_IMAGES]
    noise = []
    for layer in network.graph.layers:
        rounded = {name: network.rounded.weights[name] for name in (layer.weight, layer.bias)}
        graph = network.graph.with_weights(rounded)
        model = to_int8(graph, ranges, network.weights, only=layer.nodes)
        logits = compute_logits(model, images, network.feed, exact=True, on_progress=on_progress)
        ratio = network.hold_out.signal_to_noise_db(logits)
        noise.append(
            LayerNoise(
                layer=layer_name(layer),
                kind=_kind(network.graph, layer),
                signal_to_noise_db=round(ratio, 1),
            )
        )
    return sorted(noise, key=lambda each: each.signal_to_noise_db)


def _kind(graph: FloatGraph, layer: WeightedLayer) -> str:
    _, per_group, height, width = graph.weights[layer.weight].shape
    depthwise = "depthwise " if layer.groups > 1 and per_group == 1 else ""
    return f"{depthwise}{height}x{width}"
