"""From an ONNX file of a shuffle-free network to its layers."""

from pathlib import Path

from shufflenet.errors import UnsoundOnnx, UnsupportedByRuntime
from shufflenet.graph._float_reader import FloatReader, UnsupportedOp
from shufflenet.graph._int8_reader import Int8Reader
from shufflenet.graph._layers import (
    ChannelSlice,
    Convolution,
    Dequantize,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
    Quantize,
)
from shufflenet.graph._load import load_onnx
from shufflenet.graph._nodes import OnnxGraph, read_onnx_graph
from shufflenet.graph._separate import separate_weights
from shufflenet.graph._sound import Unsound
from shufflenet.graph._strip_padding import strip_padding

__all__ = ["read_network"]


def read_network(path: str | Path) -> tuple[Network, dict[str, str]]:
    """Read the layers of a ShuffleNet V1 or V2 file, as ``export`` and ``quantize`` write them.

    Split, Concat and Gather become no layers: they only choose the channels that a layer reads.
    ReLU and Add become part of the convolution before them. A mean of 3x3 pixels becomes a
    depthwise convolution.

    Returns:
        The network, and the metadata of the file.

    Raises:
        UnsupportedByRuntime: the file computes something that the LLVM runtime does not support.
        UnsoundOnnx: its graph means nothing.
        CheckpointError: the file is damaged or cannot be read.
    """
    model = load_onnx(path)
    feature = "unusual inputs or outputs"
    try:
        separate_weights(model)
        graph = read_onnx_graph(model)
        ((name, (batch, channels, height, width)),) = graph.inputs.items()
        feature = "images of a fixed size"
        _require((batch, height, width) == (0, 0, 0))
        is_int8 = any(node.op == "QuantizeLinear" for node in graph.nodes)
        among = " among int8 and float layers" if is_int8 and _has_float_layers(graph) else ""
        reader = (Int8Reader if is_int8 else FloatReader)(graph.constants, name, channels)
        for node in graph.nodes:
            feature = f"a {node.op}{among}"
            reader.read(node)
        feature = "scales too far apart"
        layers = reader.finish()
        feature = "layers in an unusual order"
        features, classifier = _split_classifier(layers, name, graph.outputs[0])
        network = Network(strip_padding(features), classifier, reader.quant_params(name))
    except (UnsupportedOp, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnsupportedByRuntime(path, feature, "LLVM") from error
    except Unsound as error:
        raise UnsoundOnnx(path, error) from error
    return network, {entry.key: entry.value for entry in model.metadata_props}


def _require(holds: bool) -> None:
    """Check a condition.

    Raises:
        UnsupportedOp: it does not hold.
    """
    if not holds:
        raise UnsupportedOp


def _has_float_layers(graph: OnnxGraph) -> bool:
    """Return whether a layer's weights are constants, and not what a DequantizeLinear makes."""
    layers = (node for node in graph.nodes if node.op in ("Conv", "Gemm"))
    return any(node.inputs[1] in graph.constants for node in layers)


def _split_classifier(layers: list[Layer], images: str, logits: str) -> tuple[list[Layer], Linear]:
    """Return the layers up to the mean, and the classifier.

    Raises:
        UnsupportedOp: the order is not that of a ShuffleNet. Its first layer is a convolution that
            reads the images, which nothing else does, and the only one both dense and larger than
            1x1; its last two are a mean and the classifier that reads it.
    """
    *features, classifier = layers
    last = features[-1]
    stem, *inner, mean = features[:-1] if isinstance(last, Quantize | Dequantize) else features
    in_order = (
        isinstance(stem, Convolution)
        and stem.kernel > 1
        and stem.inputs == (ChannelSlice(images, 0, stem.weight.shape[1]),)
        and all(map(_is_inner, inner))
        and not any(piece.tensor == images for layer in layers[1:] for piece in layer.inputs)
        and isinstance(mean, Mean)
        and isinstance(classifier, Linear)
        and (
            last is mean
            or last.inputs == (ChannelSlice(mean.output, 0, classifier.weight.shape[1]),)
        )
        and classifier.inputs == (ChannelSlice(last.output, 0, classifier.weight.shape[1]),)
        and classifier.output == logits
    )
    if not in_order or not isinstance(classifier, Linear):
        raise UnsupportedOp
    return features, classifier


def _is_inner(layer: Layer) -> bool:
    if isinstance(layer, Convolution):
        return layer.depthwise or layer.kernel == 1
    return isinstance(layer, MaxPool | Quantize | Dequantize)
