"""Networks that take bytes: the normalisation, folded into the first layer."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from shufflenet.errors import SpecError
from shufflenet.quantize._equalise import rescaled
from shufflenet.quantize._graph import Graph
from shufflenet.quantize._observe import Images, Pixels
from shufflenet.spec import Preprocess

__all__ = ["centre_of", "planes", "reads_pixels", "takes_bytes"]


def centre_of(how: Preprocess) -> int:
    """Give the grey level that a normalised 0, and so what the first layer pads, comes closest to.

    Bytes have one zero for all three colours, whose means differ: at the border of an image the
    padding is this grey and not the mean colour.

    Raises:
        SpecError: an image is subtracted, which no layer can do.
    """
    if how.mean_image:
        raise SpecError("--pixels", how.mean_image, "left out for networks that subtract an image")
    return round(255 / how.value_range * sum(how.mean) / 3)


def planes(images: Pixels) -> npt.NDArray[np.uint8]:
    """Turn images ``(n, h, w, 3)`` into what the files take, ``(n, 3, h, w)``."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def reads_pixels(graph: Graph, how: Preprocess) -> tuple[Graph, Callable[[Pixels], Images]]:
    """Give the graph that reads ``pixels - centre`` in RGB, and what feeds it.

    A network's input is ``pixels * scale - offset``, so it is ``(pixels - centre) * scale`` plus
    ``centre * scale - offset``: both go into the first layer, as :func:`rescaled` says.
    """
    centre = centre_of(how)
    std = np.array(how.std)
    scale, shift = np.ones(len(graph.channels.scalable)), np.zeros(len(graph.channels.scalable))
    colours = graph.channels.of[graph.input]
    scale[colours] = how.value_range / (255 * std)
    shift[colours] = centre * scale[colours] - np.array(how.mean) / std
    folded = rescaled(graph, scale, shift)
    if how.channels == "bgr":
        turned = {
            layer.weight: folded.weights[layer.weight][:, ::-1]
            for layer in graph.layers
            if layer.reads == graph.input
        }
        folded = folded.with_weights(turned)
    return folded, lambda images: planes(images).astype(np.float32) - np.float32(centre)


def takes_bytes(model: onnx.ModelProto, centre: int) -> None:
    """Let a model whose first layer reads ``pixels - centre`` take the pixels, in bytes."""
    graph = model.graph
    images = graph.input[0]
    images.type.tensor_type.elem_type = TensorProto.UINT8
    given = [node for node in graph.node if node.input and node.input[0] == images.name]
    quantizers = [node for node in given if node.op_type == "QuantizeLinear"]
    for node in quantizers:
        _rename(graph, node.output[0], images.name)
        graph.node.remove(node)
    if quantizers:
        return
    # The first layer is in float.
    constants = {"pixels_scale": np.float32(1), "pixels_zero_point": np.uint8(centre)}
    graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in constants.items())
    _rename(graph, images.name, "pixels")
    names = [images.name, *constants]
    graph.node.insert(0, helper.make_node("DequantizeLinear", names, ["pixels"], "pixels"))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
