"""An ONNX file without its last layer, or with what that reads; the layer as a model of its own.

Source: the operators of ONNX 1.23 (Operators.md: Gemm, MatMul, QLinearMatMul, DequantizeLinear) and
of ONNX Runtime 1.32 (ContribOperators.md: com.microsoft.QLinearAdd).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shufflenet.errors import DamagedOnnx, NoLastLayer
from shufflenet.files._onnx_nodes import OnnxNode, OnnxNodes

__all__ = ["Headless", "OnnxLayer", "cut_last_layer", "tell_last_layer"]

# Operations that compute the last layer: x W + b.
_LAYERS = ("Gemm", "MatMul", "QLinearMatMul")
# Those that may follow it: a bias that is added by itself, other numbers, probabilities.
_FOLLOW = ("Add", "Cast", "DequantizeLinear", "Identity", "QLinearAdd", "QuantizeLinear", "Softmax")
_TO_BYTES = "QuantizeLinear"
# Those that may stand between the mean of a map and the last layer, and change no number but by
# rounding it.
_KEEP = ("Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze")
_WINDOW_MEAN = "AveragePool"
_MEANS = ("GlobalAveragePool", "ReduceMean", _WINDOW_MEAN)
_WEIGHT, _BIAS = "shufflenet.weight", "shufflenet.bias"  # of what is dequantized


@dataclass(frozen=True, slots=True)
class OnnxLayer:
    """The last fully connected layer of an ONNX model: ``factor * x W + the biases``.

    Attributes:
        content: A model without inputs that computes the tensors below in floats.
        weight: The name of W, ``(d, classes)``.
        is_transposed: Whether it is ``(classes, d)`` instead.
        factor: What W is multiplied by.
        biases: The names of what is added, each a number a class, and what each is multiplied by.
    """

    content: bytes
    weight: str
    is_transposed: bool
    factor: float
    biases: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Headless:
    """An ONNX model that ends before its last fully connected layer.

    Attributes:
        content: The model.
        embedding: The name of its first output: what the last layer read, ``(n, d)``.
        maps: The name of its second output, the feature maps ``(n, c, h, w)`` whose mean over
            positions that is; None if it is no such mean, and there is no second output.
        window: The only height and width of these maps whose mean over all positions it is; None
            for any.
        layer: The layer that was cut off.
    """

    content: bytes
    embedding: str
    maps: str | None
    window: tuple[int, int] | None
    layer: OnnxLayer


def cut_last_layer(content: bytes, path: str | Path) -> Headless:
    """Return an ONNX model without its last fully connected layer and what follows that.

    Where the layer reads bytes, the output is what these were rounded from.

    Args:
        content: The bytes of an ONNX file.
        path: The file, in errors.

    Raises:
        DamagedOnnx: they are no complete ONNX file.
        NoLastLayer: the graph does not end with one fully connected layer.
    """
    try:
        graph = OnnxNodes(content)
        layer, following = _last_layer(graph, path)
        embedding = _floats(graph, graph.computed(layer)[0], path)
        maps, window = _averaged(graph, embedding)
        names = [embedding] if maps is None else [embedding, maps]
        weights = _layer(graph, layer, following, path)
        return Headless(graph.ending_with(names), embedding, maps, window, weights)
    except ValueError as error:
        raise DamagedOnnx(path, error) from error


def tell_last_layer(content: bytes, path: str | Path) -> tuple[bytes, str, str]:
    """Return an ONNX model that also tells what its last fully connected layer reads.

    Where the layer reads bytes, that is what these were rounded from.

    Args:
        content: The bytes of an ONNX file.
        path: The file, in errors.

    Returns:
        The model, and the names of its two outputs: the one that it had first, and ``(n, d)``.

    Raises:
        DamagedOnnx: they are no complete ONNX file.
        NoLastLayer: the graph does not end with one fully connected layer.
    """
    try:
        graph = OnnxNodes(content)
        layer = _last_layer(graph, path)[0]
        names = graph.outputs[0], _floats(graph, graph.computed(layer)[0], path)
        return graph.ending_with(names), *names
    except ValueError as error:
        raise DamagedOnnx(path, error) from error


def _last_layer(graph: OnnxNodes, path: str | Path) -> tuple[OnnxNode, list[OnnxNode]]:
    """Return the last fully connected layer, and the nodes that follow it, the last one first.

    Raises:
        NoLastLayer: there is none, or more than one is last.
    """
    following: list[OnnxNode] = []
    for node in graph.upwards(graph.outputs[0] if graph.outputs else ""):
        reads = graph.computed(node)
        if len(reads) != 1:
            raise NoLastLayer(path, f"has a last {node.op[:40]} of {len(reads)} computed inputs")
        if node.op in _LAYERS:
            return node, following
        if node.op not in _FOLLOW:
            raise NoLastLayer(path, f"has a {node.op[:40]} in place of its last layer")
        following.append(node)
    raise NoLastLayer(path, "has an output that nothing computes")


def _floats(graph: OnnxNodes, name: str, path: str | Path) -> str:
    """Return the name of what a tensor of bytes was rounded from, or the name of one of floats.

    Raises:
        NoLastLayer: it is the images themselves.
    """
    node = graph.writer.get(name)
    if node is not None and node.op == _TO_BYTES:
        name = node.reads[0]
    if name in graph.images:
        raise NoLastLayer(path, "has a last layer that reads the images themselves")
    return name


def _averaged(graph: OnnxNodes, embedding: str) -> tuple[str | None, tuple[int, int] | None]:
    """Return the name of the maps whose mean an embedding is, and their only size if there is one.

    The name is None if it is no such mean.
    """
    for node in graph.upwards(embedding):
        reads = graph.computed(node)
        if len(reads) != 1:
            break
        if node.op in _MEANS:
            window = graph.numbers(node).get("kernel_shape") if node.op == _WINDOW_MEAN else None
            if reads[0] in graph.images or (node.op == _WINDOW_MEAN and len(window or ()) != 2):
                break
            return reads[0], (int(window[0]), int(window[1])) if window else None
        if node.op not in _KEEP:
            break
    return None, None


def _layer(
    graph: OnnxNodes, layer: OnnxNode, following: Sequence[OnnxNode], path: str | Path
) -> OnnxLayer:
    """Return the weights and biases of a layer, as a model that computes them.

    Raises:
        NoLastLayer: the layer is not ``x W``, in this order.
    """
    if graph.computed(layer)[0] != layer.reads[0] or len(layer.reads) < 2:
        raise NoLastLayer(path, f"has a last {layer.op} that does not read its weights second")
    numbers = graph.numbers(layer) if layer.op == "Gemm" else {}
    added: dict[str, Sequence[str]] = {}
    weight = layer.reads[1]
    if layer.op == "QLinearMatMul":
        weight, added[_WEIGHT] = _WEIGHT, layer.reads[3:6]
    biases: list[tuple[str, float]] = []
    if layer.op == "Gemm" and layer.reads[2:3] > ("",):
        biases.append((layer.reads[2], _first(numbers, "beta", 1)))
    for node in following:
        if node.op == "Add":
            biases += [(name, 1.0) for name in node.reads if name not in graph.computed(node)]
        elif node.op == "QLinearAdd":
            name = f"{_BIAS}.{len(biases)}"
            at = 3 if graph.computed(node)[0] == node.reads[0] else 0
            biases.append((name, 1.0))
            added[name] = node.reads[at : at + 3]
    names = list(dict.fromkeys([weight, *(name for name, _ in biases)]))
    is_transposed, factor = bool(_first(numbers, "transB", 0)), _first(numbers, "alpha", 1)
    content = graph.constants(names, added)
    return OnnxLayer(content, weight, is_transposed, factor, tuple(biases))


def _first(numbers: Mapping[str, tuple[float, ...]], name: str, default: float) -> float:
    """Return an attribute of one number, or its default."""
    return next(iter(numbers.get(name, ())), default)
