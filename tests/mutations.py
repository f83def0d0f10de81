"""Small changes of an ONNX model, as a damaged or a hostile file may have them."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto

__all__ = ["mutate"]

T = TypeVar("T")

NUMBERS = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 4, 7, 127, 2**31, 2**63 - 1)
FLOATS = (0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"))
OPERATIONS = ("Add", "Concat", "Conv", "Gather", "Identity", "MaxPool", "Relu", "Split", "Sum")


def mutate(model: onnx.ModelProto, rng: np.random.Generator) -> str:
    """Change one thing of a model; return what."""
    kind: Callable[[onnx.ModelProto, np.random.Generator], None] = rng.choice(KINDS)  # type: ignore[arg-type]  # of functions
    kind(model, rng)
    return kind.__name__


def _one(items: list[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]


def attribute_number(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    found = [a for node in model.graph.node for a in node.attribute if a.ints or a.type == 2]
    attribute, number = _one(found, rng), int(rng.choice(NUMBERS))
    if attribute.ints:
        place = int(rng.integers(len(attribute.ints)))
        attribute.ints[place] = number
        if rng.random() < 0.5:
            attribute.ints[:] = [number] * len(attribute.ints)
    else:
        attribute.i = number


def attribute_shape(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = _one([node for node in model.graph.node if node.attribute], rng)
    attribute = _one(list(node.attribute), rng)
    match int(rng.integers(5)):
        case 0:
            node.attribute.remove(attribute)
        case 1:
            node.attribute.append(attribute)
        case 2:
            attribute.name = str(rng.choice(["strides", "pads", "axis", "to", "odd"]))
        case 3:
            attribute.type = int(rng.choice(AttributeProto.AttributeType.values()))
        case 4:
            attribute.ints.append(1)


def constant_numbers(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    tensor = _one(list(model.graph.initializer), rng)
    array = onnx.numpy_helper.to_array(tensor).copy()
    choices = FLOATS if array.dtype.kind == "f" else NUMBERS
    value = np.array(rng.choice(choices)).astype(array.dtype)
    array.flat[int(rng.integers(array.size))] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def constant_bytes(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    tensor = _one(list(model.graph.initializer), rng)
    match int(rng.integers(6)):
        case 0:
            tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
        case 1:
            tensor.raw_data += bytes(8)
        case 2:
            tensor.dims[:] = [*tensor.dims, int(rng.choice(NUMBERS))]
        case 3:
            tensor.dims[:] = [int(rng.choice(NUMBERS)) for _ in tensor.dims]
        case 4:
            tensor.data_type = int(rng.choice(TensorProto.DataType.values()))
        case 5:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="../../etc/passwd")


def names(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    graph = model.graph
    known = [n for node in graph.node for n in (*node.input, *node.output)] + ["", "odd"]
    node, name = _one(list(graph.node), rng), str(_one(known, rng))
    match int(rng.integers(4)):
        case 0:
            node.input[int(rng.integers(len(node.input)))] = name
        case 1:
            node.output[int(rng.integers(len(node.output)))] = name
        case 2:
            node.input.append(name)
        case 3:
            del node.input[-1]


def nodes(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    graph = model.graph
    place, other = (int(rng.integers(len(graph.node))) for _ in range(2))
    copy = onnx.NodeProto()
    copy.CopyFrom(graph.node[place])
    match int(rng.integers(5)):
        case 0:
            del graph.node[place]
        case 1:
            graph.node.insert(other, copy)
        case 2:
            del graph.node[place]
            graph.node.insert(other, copy)
        case 3:
            graph.node[place].op_type = str(rng.choice(OPERATIONS))
        case 4:
            graph.node[place].domain = "com.microsoft"


def edges(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    graph = model.graph
    match int(rng.integers(6)):
        case 0:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[int(rng.integers(len(dims)))].dim_value = int(rng.choice(NUMBERS))
        case 1:
            graph.input[0].type.tensor_type.elem_type = int(rng.integers(17))
        case 2:
            graph.output[0].name = str(_one([n.output[0] for n in graph.node], rng))
        case 3:
            graph.output.append(graph.input[0])
        case 4:
            model.opset_import[0].version = int(rng.choice(NUMBERS))
        case 5:
            del model.opset_import[:]


KINDS = (attribute_number, attribute_shape, constant_bytes, constant_numbers, names, nodes, edges)
