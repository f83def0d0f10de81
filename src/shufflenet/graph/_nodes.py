"""The nodes, attributes and constants of an ONNX model as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from shufflenet.graph._attributes import Attributes, read_attributes
from shufflenet.graph._check_nodes import check_node
from shufflenet.graph._sound import Unsound
from shufflenet.graph._tensors import Array, read_tensor

__all__ = ["OLDEST_OPSET", "Node", "OnnxGraph", "operator_set", "read_onnx_graph"]

_MOST_NODES = 10_000  # the catalogue's largest network has 4,000 in int8
_MOST_NAMES = 50_000  # that nodes read and write
_MOST_BYTES = 1 << 30  # of all constants that nodes read, each as often as it is read
OLDEST_OPSET, _NEWEST_OPSET = 13, 28  # before 13, sizes and axes were attributes


@dataclass(frozen=True, slots=True)
class Node:
    """An operation of an ONNX graph.

    Attributes:
        name: Its name, which may be empty.
        op: The type of the operation, such as ``Conv``.
        inputs: The names of the tensors and constants that it reads.
        outputs: The names of the tensors that it writes.
        attributes: The attributes by name; those left out have the default of the standard.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes

    @property
    def output(self) -> str:
        """The name of the first tensor that it writes."""
        return self.outputs[0]


@dataclass(frozen=True)
class OnnxGraph:
    """The operations of an ONNX model in order, and its constants by name.

    Attributes:
        nodes: The operations.
        constants: The arrays that the file holds.
        inputs: The shape of each input, by its name; 0 for an axis of any size, and no axis at all
            where it is not of float32.
        outputs: The names of the outputs.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


def read_onnx_graph(model: onnx.ModelProto) -> OnnxGraph:
    """Read the nodes and constants of a model, which is not changed.

    Every name is made once, and before a node reads it. Inputs that have a constant's name, as
    files of old versions list them, count as constants.

    Raises:
        Unsound: the graph means nothing, or has what no exported network has: subgraphs, functions,
            operations of other domains, constants in other files.
    """
    _check_model(model)
    graph = model.graph
    constants = {each.name: read_tensor(each) for each in graph.initializer}
    images = [each for each in graph.input if each.name not in constants]
    inputs = {each.name: _shape(each) for each in images}
    names = [each.name for each in (*graph.initializer, *images)]
    made = set(names)
    if len(made) != len(names) or "" in made:
        raise Unsound("has two inputs or constants of one name, or one without a name")
    nodes = tuple(_node(each) for each in graph.node)
    for node in nodes:
        _define(node, made)
        check_node(node.op, node.inputs, node.attributes, constants)
    _check_bytes(nodes, constants)
    outputs = tuple(each.name for each in graph.output)
    if not outputs or len(set(outputs)) != len(outputs) or not made.issuperset(outputs):
        raise Unsound("has no outputs, or some that nothing computes")
    return OnnxGraph(nodes, constants, inputs, outputs)


def operator_set(model: onnx.ModelProto) -> int | None:
    """Return the version of ONNX's own operators that a model uses; None if it is not one."""
    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    return versions[0] if len(versions) == 1 else None


def _check_model(model: onnx.ModelProto) -> None:
    """Check a model's size, and that it has nothing beside the nodes of one graph.

    Raises:
        Unsound: it is too large, or has more.
    """
    graph = model.graph
    opset = operator_set(model)
    if opset is None or not OLDEST_OPSET <= opset <= _NEWEST_OPSET:
        used = "none or several" if opset is None else opset
        raise Unsound(f"is of operator set {used}, none from {OLDEST_OPSET} to {_NEWEST_OPSET}")
    if model.functions or graph.sparse_initializer:
        raise Unsound("has functions of its own, or sparse constants")
    constants = len(graph.initializer) + len(graph.input) + len(graph.output)
    if len(graph.node) > _MOST_NODES or constants > _MOST_NAMES:
        raise Unsound(f"has more than {_MOST_NODES} nodes or {_MOST_NAMES} constants")
    if sum(len(each.input) + len(each.output) for each in graph.node) > _MOST_NAMES:
        raise Unsound(f"has nodes that read and write more than {_MOST_NAMES} names")


def _node(node: onnx.NodeProto) -> Node:
    """Read a node.

    Raises:
        Unsound: it is of another domain, or has attributes that it cannot have.
    """
    if node.domain not in ("", "ai.onnx"):
        raise Unsound(f"has operations of the domain {node.domain[:80]!r}")
    return Node(
        name=node.name,
        op=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=read_attributes(node),
    )


def _define(node: Node, made: set[str]) -> None:
    """Add the outputs of a node to the names that are made.

    Raises:
        Unsound: a name is read before it is made, or made twice, or the node has no output.
    """
    for name in node.inputs:
        if name and name not in made:
            raise Unsound(f"reads the tensor {name[:80]!r} before anything makes it")
    if not node.outputs or not node.output:
        raise Unsound(f"has a {node.op[:80]} without an output")
    for name in filter(None, node.outputs):
        if name in made:
            raise Unsound(f"makes the tensor {name[:80]!r} twice")
        made.add(name)


def _check_bytes(nodes: Sequence[Node], constants: Mapping[str, Array]) -> None:
    """Check that constants remain small when every node gets a copy of its own.

    Raises:
        Unsound: they do not.
    """
    sizes = {name: array.nbytes for name, array in constants.items()}
    for node in nodes:
        if node.op == "Cast":
            sizes[node.output] = 4 * sizes.get(node.inputs[0], 0)
    if sum(sizes.get(name, 0) for node in nodes for name in node.inputs) > _MOST_BYTES:
        raise Unsound(f"has nodes that read more than {_MOST_BYTES >> 20} MB of constants")


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Return the shape of an input, 0 for an axis of any size; no axis if it is not of float32.

    >>> _shape(onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"]))
    (0, 3, 0, 0)
    """
    kind = value.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        return ()
    return tuple(int(size.dim_value) or -size.HasField("dim_value") for size in kind.shape.dim)
