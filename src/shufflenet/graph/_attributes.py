"""The attributes of a node as plain values of their types, with the defaults of the standard."""

from typing import Any, TypeAlias

import onnx
from onnx import AttributeProto, helper

from shufflenet.graph._sound import Unsound
from shufflenet.graph._tensors import read_tensor

__all__ = ["Attributes", "read_attributes"]

Attributes: TypeAlias = dict[str, Any]

_POOL: Attributes = {
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "dilations": [1, 1],
    "pads": [0] * 4,
    "strides": [1, 1],
}
_QUANTIZE: Attributes = {"axis": 1, "block_size": 0, "output_dtype": 0}
# The values that the ONNX standard gives to attributes that a node leaves out.
# Source: https://onnx.ai/onnx/operators, operator sets 13 to 24
_DEFAULTS: dict[str, Attributes] = {
    "Add": {},
    "AveragePool": {**_POOL, "count_include_pad": 0},
    "Cast": {"saturate": 1},
    "Concat": {"axis": 0},
    "Conv": {
        "auto_pad": b"NOTSET",
        "dilations": [1, 1],
        "group": 1,
        "pads": [0] * 4,
        "strides": [1, 1],
    },
    "DequantizeLinear": _QUANTIZE,
    "Gather": {"axis": 0},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "MaxPool": {**_POOL, "storage_order": 0},
    "QuantizeLinear": {**_QUANTIZE, "precision": 0, "saturate": 1},
    "ReduceMean": {"keepdims": 1, "noop_with_empty_axes": 0},
    "Relu": {},
    "Split": {"axis": 0},
}
# Attributes without a default, by a value of their type.
_OTHERS: dict[str, Attributes] = {
    "AveragePool": {"kernel_shape": [1]},
    "Cast": {"to": 1, "round_mode": b""},
    "Concat": {},
    "Conv": {"kernel_shape": [1]},
    "MaxPool": {"kernel_shape": [1]},
    "ReduceMean": {"axes": [1]},  # before operator set 18
    "Split": {"num_outputs": 1},
}
_KINDS: dict[int, tuple[type | None, str]] = {  # Python's type, and the field that holds it
    AttributeProto.FLOAT: (float, "f"),
    AttributeProto.FLOATS: (list, "floats"),
    AttributeProto.INT: (int, "i"),
    AttributeProto.INTS: (list, "ints"),
    AttributeProto.STRING: (bytes, "s"),
    AttributeProto.STRINGS: (list, "strings"),
    AttributeProto.TENSOR: (None, "t"),
}


def read_attributes(node: onnx.NodeProto) -> Attributes:
    """Read a node's attributes; those left out have the default of the standard.

    Raises:
        Unsound: one comes twice, holds a graph, refers to another, or is none of its operation's.
    """
    given: Attributes = {}
    for each in node.attribute:
        if each.ref_attr_name or each.type not in _KINDS:
            raise Unsound(f"has a {node.op_type[:80]} with a graph or a reference inside")
        if each.name in given:
            raise Unsound(f"has a {node.op_type[:80]} with two values of {each.name[:80]!r}")
        filled = {field.name for field, _ in each.ListFields()} - {"name", "type", "doc_string"}
        if filled - {_KINDS[each.type][1]}:
            raise Unsound(f"has a {node.op_type[:80]} with values of two types")
        if each.type == AttributeProto.TENSOR:
            read_tensor(each.t)
        given[each.name] = helper.get_attribute_value(each)
        _check_type(node.op_type, each)
    return _DEFAULTS.get(node.op_type, {}) | given


def _check_type(op: str, attribute: onnx.AttributeProto) -> None:
    """Check that an operation has such an attribute, of this type.

    Raises:
        Unsound: it has none; attributes of operations that no reader knows are not checked.
    """
    if op not in _DEFAULTS:
        return
    usual = (_DEFAULTS[op] | _OTHERS.get(op, {})).get(attribute.name)
    kind, _ = _KINDS[attribute.type]
    is_list_of_others = kind is list and attribute.type != AttributeProto.INTS
    if usual is None or type(usual) is not kind or is_list_of_others:
        raise Unsound(f"has a {op} with an unknown value of {attribute.name[:80]!r}")
