"""How much each layer loses in int8."""

from collections.abc import Callable
from dataclasses import dataclass

from onnxruntime.quantization.calibrate import TensorsData

from shufflenet.quantize._graph import Graph, Layer
from shufflenet.quantize._judge import Judge, logits_of
from shufflenet.quantize._observe import Images, Pixels, Progress
from shufflenet.quantize._round import Rounded
from shufflenet.quantize._write import int8_model

__all__ = ["LayerNoise", "kind_of", "layer_noise", "name_of"]

_IMAGES = 64  # tell layers apart that differ by 1 dB


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNoise:
    """What a layer does to the logits when it alone is in int8: the ratio of both, in dB."""

    layer: str
    kind: str
    signal_to_noise_db: float


def name_of(layer: Layer) -> str:
    """Give the name that a layer has in the network, such as ``stages.0.opening.1.0``."""
    return layer.weight.removesuffix(".float32").removesuffix(".weight")


def kind_of(graph: Graph, layer: Layer) -> str:
    """Say what a layer is, such as ``depthwise 3x3``."""
    _, taken, height, width = graph.weights[layer.weight].shape
    depthwise = "depthwise " if layer.groups > 1 and taken == 1 else ""
    return f"{depthwise}{height}x{width}"


def layer_noise(
    graph: Graph,
    ranges: TensorsData,
    weights: dict[str, Rounded],
    rounded: Graph,
    judge: Judge,
    feed: Callable[[Pixels], Images],
    on_progress: Progress,
) -> list[LayerNoise]:
    """Put each layer in int8 on its own and compare logits, the noisiest layer first.

    Args:
        graph: The float network.
        ranges: Of its tensors.
        weights: Its weights in int8.
        rounded: The network with the weights that these stand for.
        judge: Holds images and float logits.
        feed: Makes input of images.
        on_progress: Called with the number of images computed since the last call.
    """
    images = judge.images[:_IMAGES]
    found = []
    for layer in graph.layers:
        own = {name: rounded.weights[name] for name in (layer.weight, layer.bias)}
        model = int8_model(graph.with_weights(own), ranges, weights, only=layer.nodes)
        logits = logits_of(model, images, feed, exactly=True, on_progress=on_progress)
        found.append(
            LayerNoise(
                layer=name_of(layer),
                kind=kind_of(graph, layer),
                signal_to_noise_db=round(judge.signal_to_noise_db(logits), 1),
            )
        )
    return sorted(found, key=lambda noise: noise.signal_to_noise_db)
