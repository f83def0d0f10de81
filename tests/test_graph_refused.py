"""Files of other networks than code is generated for are refused, and padding is left out."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exported import THIN, export
from shufflenet.errors import CheckpointError
from shufflenet.graph import Convolution, read_network
from shufflenet.spec import NetworkSpec, Stage, V1Spec, V2Spec

pytestmark = pytest.mark.xdist_group("codegen")  # a worker exports the thin network once


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(THIN, tmp_path_factory.mktemp("thin") / "thin.onnx")


def test_channels_that_only_fill_up_are_left_out(thin: Path) -> None:
    stored = {x.dims[0] for x in onnx.load(thin).graph.initializer if x.dims[1:2] == [1]}
    network, _ = read_network(thin)
    layers = [layer for layer in network.layers if isinstance(layer, Convolution)]
    assert {16, 32, 44} < stored
    assert {len(x.weight) for x in layers if x.depthwise} == stored - {16, 32, 44} | {13, 30, 42}


FEW = (Stage(channels=48, repeats=1),)


@pytest.mark.parametrize(
    ("spec", "operation"),
    [
        (V1Spec(name="one", groups=2, stages=FEW, pool_counts_padding=False), "AveragePool"),
        (V2Spec(name="two", stages=FEW, head_channels=8, activation="swish"), "Sigmoid"),
    ],
)
def test_other_networks_are_refused_by_what_they_compute(
    spec: NetworkSpec, operation: str, tmp_path: Path
) -> None:
    path = export(spec, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match=f"has a {operation}, .*--runtime onnxruntime"):
        read_network(path)


def changed(source: Path, path: Path, kind: str) -> Path:
    """Write a file of which one operation is of another kind than the runtime computes."""
    model = onnx.load(source)
    nodes = model.graph.node
    node = next(node for node in nodes if node.op_type == kind)
    if kind == "Conv":
        next(a for a in node.attribute if a.name == "dilations").ints[:] = [2, 2]
    elif kind == "MaxPool":
        next(a for a in node.attribute if a.name == "strides").ints[:] = [1, 1]
    elif kind == "ReduceMean":
        axes = next(t for t in model.graph.initializer if t.name == node.input[1])
        axes.CopyFrom(numpy_helper.from_array(np.array([1, 2]), axes.name))
    elif kind == "Gemm":
        next(a for a in node.attribute if a.name == "alpha").f = 2.0
    elif kind == "Split":
        sizes = next(t for t in model.graph.initializer if t.name == node.input[1])
        more = numpy_helper.to_array(sizes) + 1
        sizes.CopyFrom(numpy_helper.from_array(more, sizes.name))
    elif kind == "Concat":
        del node.input[-1]
    elif kind == "Relu":
        nodes.insert(0, helper.make_node("Relu", ["images"], ["positive"]))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        *((kind, kind) for kind in ("Conv", "MaxPool", "ReduceMean", "Gemm", "Relu", "Split")),
        ("Concat", "Conv"),
    ],
)
def test_what_it_does_not_know_is_refused(
    thin: Path, kind: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=f"has a {named}, which the LLVM runtime"):
        read_network(changed(thin, tmp_path / "changed.onnx", kind))


@pytest.mark.parametrize("kind", ["Conv", "MaxPool", "ReduceMean", "Gemm", "Split", "Concat"])
def test_a_setting_that_is_not_there_is_not_taken_for_the_usual_one(
    thin: Path, kind: str, tmp_path: Path
) -> None:
    model = onnx.load(thin)
    del next(node for node in model.graph.node if node.op_type == kind).attribute[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(CheckpointError, match=f"has a {kind}( without 'kernel_shape')?, "):
        read_network(tmp_path / "bare.onnx")


def test_colours_in_another_order_are_refused(thin: Path, tmp_path: Path) -> None:
    model = onnx.load(thin)
    model.graph.node[0].input[0] = "turned"
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "order"))
    turn = helper.make_node("Gather", ["images", "order"], ["turned"], axis=1)
    model.graph.node.insert(0, turn)
    onnx.save(model, tmp_path / "turned.onnx")
    with pytest.raises(CheckpointError, match="layers in an unusual order"):
        read_network(tmp_path / "turned.onnx")


def test_an_output_in_the_middle_is_refused(thin: Path, tmp_path: Path) -> None:
    model = onnx.load(thin)
    depthwise = next(
        node
        for node in model.graph.node
        if node.op_type == "Conv" and next(a for a in node.attribute if a.name == "group").i > 1
    )
    del model.graph.node[list(model.graph.node).index(depthwise) + 1 :]
    model.graph.node.append(helper.make_node("Relu", [depthwise.output[0]], ["end"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("end", TensorProto.FLOAT, None))
    path = tmp_path / "cut.onnx"
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="--runtime onnxruntime"):
        read_network(path)


def test_what_was_read_before_a_relu_is_not_read_after_it(thin: Path, tmp_path: Path) -> None:
    model = onnx.load(thin)
    nodes = list(model.graph.node)
    relu = next(n for n, node in enumerate(nodes) if node.op_type == "Relu")
    split = next(node for node in nodes if node.op_type == "Split")
    early = helper.make_node("Split", [nodes[relu].input[0], "sizes"], ["early", "rest"], axis=1)
    model.graph.initializer.append(numpy_helper.from_array(np.array([4, 6]), "sizes"))
    model.graph.node.insert(relu, early)
    inputs = next(node for node in model.graph.node if split.output[0] in node.input)
    inputs.input[0] = "early"
    onnx.save(model, tmp_path / "early.onnx")
    with pytest.raises(CheckpointError, match="has a Concat"):
        read_network(tmp_path / "early.onnx")
