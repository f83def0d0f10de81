"""Huge integers in an ONNX file's nodes, by which OpenVINO ends the process, are refused."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import shufflenet
from resealed import save_resealed
from shufflenet.errors import CheckpointError, DamagedOnnx, UnsoundOnnx
from shufflenet.files import check_onnx_numbers
from shufflenet.hub import resolve

LIMIT = 16384
SHIPPED = resolve("default", (".onnx",))


def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 3, 8, 8])
    return helper.make_model(helper.make_graph(list(nodes), "graph", [image], []))


def convolution(**numbers: int | list[int]) -> onnx.NodeProto:
    node = helper.make_node("Conv", ["image", "weight"], ["map"])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in numbers.items())
    return node


def check(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    check_onnx_numbers(tmp_path / "a.onnx")


@pytest.mark.parametrize("name", ["strides", "dilations", "pads", "kernel_shape", "group", "axis"])
@pytest.mark.parametrize("value", [LIMIT + 1, 2**31, 2**32, 2**62, 2**63 - 1, -LIMIT - 1, -(2**63)])
def test_a_huge_number_is_named(name: str, value: int, tmp_path: Path) -> None:
    numbers = value if name in ("group", "axis") else [1, value]
    with pytest.raises(UnsoundOnnx, match=f"has a node with '{name}' of {value}, unlike"):
        check(tmp_path, model(convolution(**{name: numbers})).SerializeToString())


@pytest.mark.parametrize("value", [0, 1, -1, LIMIT, -LIMIT])
def test_numbers_of_networks_pass(value: int, tmp_path: Path) -> None:
    check(tmp_path, model(convolution(strides=[1, value], group=value)).SerializeToString())


def test_numbers_are_found_whichever_way_they_are_encoded(tmp_path: Path) -> None:
    huge = bytes([0x80] * 8 + [0x40])  # 2^62
    packed = bytes([8 << 3 | 2, 1 + len(huge), 1]) + huge
    unpacked = bytes([8 << 3, 1, 8 << 3]) + huge
    twice = bytes([3 << 3]) + huge + bytes([3 << 3, 1])  # readers differ in which they take
    for numbers in (packed, unpacked, twice):
        message = b"\x0a\x01s" + numbers
        for number in (5, 1, 7):  # an attribute in a node in a graph in a model
            message = bytes([number << 3 | 2, len(message)]) + message
        with pytest.raises(UnsoundOnnx, match=f"has a node with 's' of {2**62}, unlike"):
            check(tmp_path, message)


def in_a_branch(node: onnx.NodeProto) -> onnx.ModelProto:
    inner = helper.make_graph([node], "inner", [], [])
    return model(helper.make_node("If", ["yes"], ["map"], then_branch=inner))


def in_a_function(node: onnx.NodeProto) -> onnx.ModelProto:
    outer = model()
    opsets = [helper.make_opsetid("", 18)]
    outer.functions.append(helper.make_function("own", "f", ["image"], ["map"], [node], opsets))
    return outer


@pytest.mark.parametrize("around", [model, in_a_branch, in_a_function])
def test_numbers_are_found_in_nested_graphs_and_functions(
    around: Callable[[onnx.NodeProto], onnx.ModelProto], tmp_path: Path
) -> None:
    check(tmp_path, around(convolution(strides=[1, 2])).SerializeToString())
    with pytest.raises(UnsoundOnnx, match="'strides' of 70000"):
        check(tmp_path, around(convolution(strides=[1, 70000])).SerializeToString())


def test_a_file_that_is_cut_anywhere_is_refused_or_passes(tmp_path: Path) -> None:
    content = in_a_branch(convolution(strides=[1, 2])).SerializeToString()
    for end in range(len(content)):
        with contextlib.suppress(DamagedOnnx):  # at the end of a field it is whole
            check(tmp_path, content[:end])


def test_integers_without_end_are_not_read(tmp_path: Path) -> None:
    message = bytes([8 << 3 | 2]) + b"\x81\x80\x04" + bytes(65537)
    for number in (5, 1, 7):
        length = len(message)
        varint = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
        message = bytes([number << 3 | 2]) + varint + message
    with pytest.raises(DamagedOnnx, match="more than 65536 bytes of integers"):
        check(tmp_path, message)


def test_openvino_is_kept_from_a_stride_that_ends_it(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    network = onnx.load(SHIPPED)
    strided = next(node for node in network.graph.node if node.op_type == "Conv")
    next(a for a in strided.attribute if a.name == "strides").ints[0] = 2**62
    save_resealed(network, tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match=f"has a node with 'strides' of {2**62}, unlike"):
        shufflenet.open_model(tmp_path / "a.onnx", runtime="openvino")
    check_onnx_numbers(SHIPPED)
