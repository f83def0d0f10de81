"""Models that take bytes, with the normalization of images folded into the first layer."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from shufflenet.errors import SpecError
from shufflenet.preprocess import affine
from shufflenet.quantize._equalize import rescale
from shufflenet.quantize._float_graph import FloatGraph
from shufflenet.quantize._session import Feed, Pixels
from shufflenet.spec import Preprocess

__all__ = ["fold_normalization", "take_bytes", "to_planes", "zero_byte"]


def zero_byte(how: Preprocess) -> int:
    """Return the gray level whose normalized value is closest to 0, the value of padding.

    Bytes have one zero point for all channels, whose means differ: at the border of an image the
    padding has this gray and not the mean color.

    Raises:
        SpecError: a mean image is subtracted, which no layer can do, or pixels have 16 bits.
    """
    if how.bits != 8:
        given = f"a file of bytes, for pixels of {how.bits} bits"
        raise SpecError("--pixels", given, "left out: the file then takes normalized images")
    if how.mean_image:
        raise SpecError("--pixels", how.mean_image, "left out for networks that subtract an image")
    return round(255 / how.value_range * sum(how.mean) / len(how.mean))


def to_planes(images: Pixels) -> Pixels:
    """Convert images ``(n, h, w, c)`` to the input of a file that takes bytes, ``(n, c, h, w)``."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def fold_normalization(graph: FloatGraph, how: Preprocess) -> tuple[FloatGraph, Feed]:
    """Return the graph that takes ``pixels - zero_byte``, and the feed for it.

    The input of the network is ``pixels * scale + offset``, which is ``(pixels - zero_byte) *
    scale`` plus ``zero_byte * scale + offset``. Both are folded into the first layer by
    :func:`rescale`. The feed converts images ``(n, h, w, c)`` to ``(n, c, h, w)`` in float32.

    Raises:
        SpecError: a mean image is subtracted, which no layer can do, or pixels have 16 bits.
    """
    zero = zero_byte(how)
    factors, offsets = affine(how)
    scale, shift = np.ones(len(graph.channels.scalable)), np.zeros(len(graph.channels.scalable))
    colors = graph.channels.of[graph.input]
    scale[colors] = factors
    shift[colors] = zero * factors + offsets
    folded = rescale(graph, scale, shift)
    if how.channels == "bgr":
        reversed_weights = {
            layer.weight: folded.weights[layer.weight][:, ::-1]
            for layer in graph.layers
            if layer.input == graph.input
        }
        folded = folded.with_weights(reversed_weights)
    return folded, lambda images: to_planes(images).astype(np.float32) - np.float32(zero)


def take_bytes(model: onnx.ModelProto, zero: int) -> None:
    """Change a model whose input is ``pixels - zero`` to one that takes the pixels in bytes.

    Args:
        model: An int8 model.
        zero: The byte that means 0 to its first layer.
    """
    graph = model.graph
    images = graph.input[0]
    images.type.tensor_type.elem_type = TensorProto.UINT8
    readers = [node for node in graph.node if node.input and node.input[0] == images.name]
    quantizers = [node for node in readers if node.op_type == "QuantizeLinear"]
    for node in quantizers:
        _rename(graph, node.output[0], images.name)
        graph.node.remove(node)
    if quantizers:
        return
    # The first layer is in float.
    constants = {"pixels_scale": np.float32(1), "pixels_zero_point": np.uint8(zero)}
    graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in constants.items())
    _rename(graph, images.name, "pixels")
    names = [images.name, *constants]
    graph.node.insert(0, helper.make_node("DequantizeLinear", names, ["pixels"], "pixels"))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
