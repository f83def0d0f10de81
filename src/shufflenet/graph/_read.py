"""From an ONNX file of a shuffle-free network to its layers."""

from pathlib import Path
from typing import Any

from shufflenet.errors import CheckpointError, MissingDependency
from shufflenet.graph._float_reader import Reader, UnsupportedOp
from shufflenet.graph._int8_reader import Int8Reader
from shufflenet.graph._layers import (
    ChannelSlice,
    Convolution,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
)
from shufflenet.graph._strip_padding import strip_padding

__all__ = ["read_network"]


def read_network(path: str | Path) -> tuple[Network, dict[str, str]]:
    """Read what ``shufflenet export`` or ``quantize`` wrote of a ShuffleNet V1's or V2's layers.

    Split, Concat and Gather are no layers of their own, for they only say which channels are read;
    nor are Add and Relu, which end a convolution. A mean of 3x3 pixels is a depthwise convolution.

    Returns:
        The network, and the file's metadata.

    Raises:
        CheckpointError: the file is damaged, or computes anything else.
        MissingDependency: the package onnx is not installed.
    """
    try:
        import onnx  # noqa: PLC0415  # only this runtime needs it
        from google.protobuf.message import DecodeError  # noqa: PLC0415  # onnx brings it
    except ModuleNotFoundError as error:
        raise MissingDependency("The LLVM runtime", "onnx", "llvm") from error
    try:
        model = onnx.load(str(path))
    except (DecodeError, OSError) as error:
        raise CheckpointError(path, "is no ONNX file", "Export it again.") from error
    problem = "has inputs or outputs that the LLVM runtime does not know"
    try:
        is_int8 = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
        reader = (Int8Reader if is_int8 else Reader)(model.graph)
        for node in model.graph.node:
            problem = f"has a {node.op_type} that the LLVM runtime does not compute"
            reader.read(node)
        problem = "has scales too far apart for the LLVM runtime"
        layers = reader.finished()
        problem = "has layers in an order that the LLVM runtime does not compute"
        inner, classifier = _parted(layers, model.graph)
        images = reader.codes_of(model.graph.input[0].name)
        network = Network(strip_padding(inner), classifier, images)
    except (UnsupportedOp, IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(path, problem, "Use --runtime onnxruntime.") from error
    return network, {entry.key: entry.value for entry in model.metadata_props}


def _parted(layers: list[Layer], graph: Any) -> tuple[list[Layer], Linear]:  # noqa: ANN401
    """Give the layers up to the mean, and the classifier, if they stand as in a ShuffleNet.

    The first convolution reads the images, and alone is both dense and larger than 1x1; at the end
    the mean goes to the classifier.

    Raises:
        UnsupportedOp: they stand otherwise.
    """
    stem, *inner, mean, classifier = layers
    images = graph.input[0].name
    stands = (
        isinstance(stem, Convolution)
        and stem.kernel > 1
        and stem.inputs == (ChannelSlice(images, 0, stem.weight.shape[1]),)
        and all(map(_is_inner, inner))
        and not any(piece.tensor == images for layer in layers[1:] for piece in layer.inputs)
        and isinstance(mean, Mean)
        and isinstance(classifier, Linear)
        and classifier.inputs == (ChannelSlice(mean.output, 0, classifier.weight.shape[1]),)
        and classifier.output == graph.output[0].name
    )
    if not stands or not isinstance(classifier, Linear):
        raise UnsupportedOp
    return layers[:-1], classifier


def _is_inner(layer: Layer) -> bool:
    if isinstance(layer, Convolution):
        return layer.depthwise or layer.kernel == 1
    return isinstance(layer, MaxPool)
