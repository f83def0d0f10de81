"""Nodes, attributes and constants of ONNX models, and the rewrites that change nothing."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from shufflenet.errors import CheckpointError
from shufflenet.graph import (
    WeightedLayer,
    load_onnx,
    read_onnx_graph,
    separate_weights,
    weighted_layers,
)

RNG = np.random.default_rng


def model_of(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], channels: int = 4
) -> onnx.ModelProto:
    """A model that reads ``images`` and writes the output of its last node."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", channels, "h", "w"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (output,) = session.run(None, {"images": images})
    return np.asarray(output)


def test_nodes_have_the_attributes_that_the_standard_gives_them() -> None:
    nodes = [
        helper.make_node("Conv", ["images", "w", "b"], ["features"], "first", strides=[2, 2]),
        helper.make_node("Flatten", ["features"], ["flat"]),
    ]
    constants = {"w": np.ones((4, 4, 1, 1), np.float32), "b": np.zeros(4, np.float32)}
    graph = read_onnx_graph(model_of(nodes, constants))
    conv, flatten = graph.nodes
    assert (conv.name, conv.op, conv.output) == ("first", "Conv", "features")
    assert conv.inputs == ("images", "w", "b")
    assert conv.attributes == {
        "auto_pad": b"NOTSET",
        "dilations": [1, 1],
        "group": 1,
        "pads": [0, 0, 0, 0],
        "strides": [2, 2],
    }
    assert flatten.attributes == {}
    assert graph.inputs == {"images": (0, 4, 0, 0)}
    assert graph.outputs == ("flat",)
    assert {name: array.shape for name, array in graph.constants.items()} == {
        "w": (4, 4, 1, 1),
        "b": (4,),
    }


def test_an_input_of_unknown_size_has_no_axes() -> None:
    model = model_of([helper.make_node("Relu", ["images"], ["positive"])], {})
    del model.graph.input[0].type.tensor_type.shape.dim[:]
    assert read_onnx_graph(model).inputs == {"images": ()}


@pytest.mark.parametrize("seed", range(5))
def test_every_layer_gets_float32_weights_and_a_bias_of_its_own(seed: int) -> None:
    """Two convolutions share weights in float16, a third has no bias; the function stays."""
    rng = RNG(seed)
    channels, side = 2 * int(rng.integers(1, 6)), int(rng.integers(3, 9))
    weight = rng.normal(size=(channels, channels, 3, 3)).astype(np.float16)
    constants: dict[str, np.ndarray] = {
        "narrow": weight,
        "bias": rng.normal(size=channels).astype(np.float32),
        "pointwise": rng.normal(size=(channels, channels, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["narrow"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["images", "wide", "bias"], ["one"], pads=[1] * 4),
        helper.make_node("Relu", ["one"], ["positive"]),
        helper.make_node("Conv", ["positive", "wide", "bias"], ["two"], pads=[1] * 4),
        helper.make_node("Conv", ["two", "pointwise"], ["three"]),
    ]
    before = model_of(nodes, constants, channels)
    after = onnx.ModelProto()
    after.CopyFrom(before)
    separate_weights(after)
    images = rng.normal(size=(2, channels, side, side)).astype(np.float32)
    assert np.array_equal(run(after, images), run(before, images))
    graph = read_onnx_graph(after)
    layers = [node for node in graph.nodes if node.op == "Conv"]
    names = [name for node in layers for name in node.inputs[1:]]
    assert len(names) == len(set(names)) == 6
    assert all(graph.constants[name].dtype == np.float32 for name in names)
    assert not any(node.op == "Cast" for node in graph.nodes)
    assert np.array_equal(graph.constants[layers[0].inputs[1]], weight.astype(np.float32))
    assert not graph.constants[layers[2].inputs[2]].any()


def test_a_narrow_constant_that_others_read_stays() -> None:
    nodes = [
        helper.make_node("Cast", ["narrow"], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["narrow"], ["two"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["images", "one"], ["sum"]),
        helper.make_node("Add", ["sum", "two"], ["sums"]),
    ]
    model = model_of(nodes, {"narrow": np.full((1, 4, 1, 1), 0.1, np.float16)})
    images = RNG(0).normal(size=(1, 4, 2, 2)).astype(np.float32)
    before = run(model, images)
    separate_weights(model)
    assert np.array_equal(run(model, images), before)
    assert read_onnx_graph(model).constants.keys() == {"one", "two"}


def test_integers_are_no_weights_to_widen() -> None:
    nodes = [
        helper.make_node("Cast", ["bytes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["images", "floats"], ["sum"]),
    ]
    model = model_of(nodes, {"bytes": np.ones((1, 4, 1, 1), np.int8)})
    separate_weights(model)
    assert [node.op for node in read_onnx_graph(model).nodes] == ["Cast", "Add"]


def test_layers_are_convolutions_and_gemms_with_constant_weights() -> None:
    constants = {
        "w": np.ones((4, 1, 3, 3), np.float32),
        "b": np.zeros(4, np.float32),
        "matrix": np.ones((2, 4), np.float32),
        "offset": np.zeros(2, np.float32),
        "axes": np.array([2, 3]),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w", "b"], ["sums"], "conv"),
        helper.make_node("Relu", ["sums"], ["positive"], "relu"),
        helper.make_node("ReduceMean", ["positive", "axes"], ["mean"], "mean", keepdims=0),
        helper.make_node("Gemm", ["mean", "matrix", "offset"], ["logits"], "gemm", transB=1),
        helper.make_node("Gemm", ["mean", "logits", "offset"], ["odd"], "odd", transB=1),
    ]
    for name, value in {"group": 4, "pads": [0, 1, 2, 3], "strides": [2, 1]}.items():
        nodes[0].attribute.append(helper.make_attribute(name, value))
    assert weighted_layers(read_onnx_graph(model_of(nodes, constants))) == (
        WeightedLayer(
            nodes=("conv", "relu"),
            input="images",
            output="positive",
            weight="w",
            bias="b",
            groups=4,
            pads=(0, 1, 2, 3),
            strides=(2, 1),
        ),
        WeightedLayer(
            nodes=("gemm",), input="mean", output="logits", weight="matrix", bias="offset"
        ),
    )


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_file_that_is_no_model_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"model.onnx' (is not a complete ONNX file|does not exist)"
    ):
        load_onnx(path)
