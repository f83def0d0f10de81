"""Numbers, names and constants of a file that mean nothing: refused where they are read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from random_graphs import Builder, quantized, random_model
from shufflenet.errors import CheckpointError, NotAFile, UnsoundOnnx
from shufflenet.graph import load_onnx, read_network

Change = Callable[[onnx.ModelProto], None]


def whole() -> onnx.ModelProto:
    """A small network with every operation."""
    graph = Builder(0)
    x = graph.add("Relu", graph.conv("images", 6, 3, 3, 3, stride=2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    sizes = graph.constant(np.array([2, 4]))
    graph.nodes.append(helper.make_node("Split", [x, sizes], ["left", "right"], axis=1))
    branch = graph.conv("right", 4, 1, 3, 3, groups=4)
    x = graph.add("Concat", "left", graph.conv(branch, 5, 4, 1, 1), axis=1)
    x = graph.conv(x, 7, 7, 1, 1)
    x = graph.add("Gather", x, graph.constant(np.array([6, 0, 1, 2, 3, 4, 5])), axis=1)
    return graph.finish(graph.conv(x, 8, 7, 1, 1), 8)


def test_the_network_that_is_changed_below_is_read(tmp_path: Path) -> None:
    onnx.save(whole(), tmp_path / "whole.onnx")
    assert len(read_network(tmp_path / "whole.onnx")[0].layers) == 7


def node(model: onnx.ModelProto, op: str) -> NodeProto:
    found: NodeProto = next(each for each in model.graph.node if each.op_type == op)
    return found


def constant_of(model: onnx.ModelProto, op: str, place: int = 1) -> TensorProto:
    name = node(model, op).input[place]
    found: TensorProto = next(each for each in model.graph.initializer if each.name == name)
    return found


def with_attribute(op: str, name: str, value: object) -> Change:
    def change(model: onnx.ModelProto) -> None:
        kept = [each for each in node(model, op).attribute if each.name != name]
        del node(model, op).attribute[:]
        node(model, op).attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def with_constant(op: str, values: object, dtype: type = np.int64, place: int = 1) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = constant_of(model, op, place)
        tensor.CopyFrom(numpy_helper.from_array(np.array(values, dtype), tensor.name))

    return change


def with_tensor(op: str, **fields: object) -> Change:
    """Change fields of a constant without a look at the others."""

    def change(model: onnx.ModelProto) -> None:
        tensor = constant_of(model, op)
        for name, value in fields.items():
            if isinstance(value, list):
                tensor.ClearField(name)
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)

    return change


def on_model(change: Callable[[onnx.ModelProto], object]) -> Change:
    def apply(model: onnx.ModelProto) -> None:
        change(model)

    return apply


def cut_raw(model: onnx.ModelProto) -> None:
    tensor = constant_of(model, "Conv")
    tensor.raw_data = tensor.raw_data[:-1]


def store_elsewhere(model: onnx.ModelProto) -> None:
    tensor = constant_of(model, "Conv")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def overflow_split(model: onnx.ModelProto) -> None:
    """Sizes that sum to the channels modulo 2**64 only."""
    with_constant("Split", [2, 2**63 - 1, 2**63 - 1, 6])(model)
    node(model, "Split").output[:] = ["left", "a", "b", "right"]


def add_subgraph(model: onnx.ModelProto) -> None:
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    model.graph.node.insert(0, helper.make_node("Scan", ["images"], ["odd"], body=graph))


def double_joins(model: onnx.ModelProto) -> None:
    """Each Concat reads the one before twice: 2**40 channels after forty."""
    relu = node(model, "Relu").output[0]
    for number in range(40):
        name = f"join_{number}"
        model.graph.node.insert(2 + number, helper.make_node("Concat", [relu] * 2, [name], axis=1))
        relu = name


HUGE = 2**63 - 1
CASES: dict[str, tuple[Change, str]] = {
    **{
        f"{name} of {values}": (with_attribute("Conv", name, values), f"Conv with {name} of")
        for name, values in (
            ("strides", [0, 0]),
            ("strides", [-1, -1]),
            ("strides", [HUGE, HUGE]),
            ("dilations", [0, 0]),
            ("pads", [-1] * 4),
            ("pads", [HUGE] * 4),
        )
    },
    "other strides": (with_attribute("Conv", "strides", [1, 2]), "has a Conv,"),
    "large strides": (with_attribute("Conv", "strides", [3, 3]), "has a Conv,"),
    "dilations": (with_attribute("Conv", "dilations", [2, 2]), "has a Conv,"),
    "three strides": (with_attribute("Conv", "strides", [2, 2, 2]), "has a Conv,"),
    "strides as floats": (with_attribute("Conv", "strides", [2.0, 2.0]), "value of 'strides'"),
    "no groups": (with_attribute("Conv", "group", 0), "do not fit its other numbers"),
    "negative groups": (with_attribute("Conv", "group", -3), "do not fit its other numbers"),
    "huge groups": (with_attribute("Conv", "group", 2**62), "do not fit its other numbers"),
    "another kernel": (with_attribute("Conv", "kernel_shape", [5, 5]), "do not fit"),
    "an unknown attribute": (with_attribute("Conv", "odd", 1), "unknown value of 'odd'"),
    "a pool over nothing": (with_attribute("MaxPool", "kernel_shape", [0, 0]), "kernel_shape of"),
    "a storage order that is none": (
        with_attribute("MaxPool", "storage_order", 4),
        "has a MaxPool,",
    ),
    "an axis": (with_attribute("Concat", "axis", 2), "has a Concat,"),
    "an axis far away": (with_attribute("Gather", "axis", -(2**63)), "has a Gather,"),
    "sizes modulo 2**64": (overflow_split, "has a Split,"),
    "a negative size": (with_constant("Split", [-2, 8]), "has a Split,"),
    "a size of nothing": (with_constant("Split", [0, 6]), "has a Split,"),
    "sizes as floats": (with_constant("Split", [2.0, 4.0], np.float32), "has a Split,"),
    "sizes in a square": (with_constant("Split", [[2, 4]]), "has a Split,"),
    "a channel too far": (with_constant("Gather", [7, 0, 1]), "has a Gather,"),
    "a channel before the first": (with_constant("Gather", [-1, 0, 1]), "has a Gather,"),
    "channels as bytes": (with_constant("Gather", [0, 1], np.uint8), "has a Gather,"),
    "axes": (with_constant("ReduceMean", [2, 7]), "has a ReduceMean,"),
    "weights in float64": (with_constant("Conv", np.ones((6, 3, 3, 3)), np.float64), "a Conv,"),
    "weights of two axes": (with_constant("Conv", np.ones((6, 3)), np.float32), "do not fit"),
    "a short bias": (with_constant("Conv", [0.0], np.float32, 2), "do not fit"),
    "raw bytes that lack one": (cut_raw, "does not hold the numbers"),
    "a dimension of 2**31": (with_tensor("Conv", dims=[2**31, 3, 3, 3]), "does not hold"),
    "a dimension of 2**63": (with_tensor("Conv", dims=[HUGE, 3, 3, 3]), "does not hold"),
    "dimensions that overflow": (with_tensor("Conv", dims=[2**32, 2**32, 3, 3]), "not hold"),
    "a negative dimension": (with_tensor("Conv", dims=[-6, 3, 3, 3]), "of the shape"),
    "nothing in it": (with_tensor("Conv", dims=[0, 2**40, 3, 3], raw_data=b""), "of the shape"),
    "strings": (with_tensor("Conv", data_type=TensorProto.STRING), "of a type that is not read"),
    "a type that is none": (with_tensor("Conv", data_type=99), "of a type that is not read"),
    "two stores": (with_tensor("Conv", float_data=[1.0]), "does not hold the numbers"),
    "another file": (store_elsewhere, "stores the constant 'constant_0' in another file"),
    "a name made twice": (
        on_model(lambda m: m.graph.node[1].output.__setitem__(0, m.graph.node[0].output[0])),
        "makes the tensor 'Conv_0' twice",
    ),
    "a node twice": (on_model(lambda m: m.graph.node.append(m.graph.node[-1])), "twice"),
    "a cycle": (
        on_model(lambda m: m.graph.node[0].input.__setitem__(0, m.graph.node[-1].output[0])),
        "before anything makes it",
    ),
    "a missing input": (on_model(lambda m: m.graph.node[2].input.__delitem__(0)), "0 inputs"),
    "an empty input": (on_model(lambda m: m.graph.node[0].input.__setitem__(0, "")), "inputs"),
    "no output": (on_model(lambda m: m.graph.node[0].output.__delitem__(0)), "without an output"),
    "a constant twice": (
        on_model(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
        "constants of one name",
    ),
    "an input as output": (
        on_model(lambda m: m.graph.output[0].CopyFrom(m.graph.input[0])),
        "layers in an unusual order",
    ),
    "an output of nothing": (on_model(lambda m: setattr(m.graph.output[0], "name", "odd")), "out"),
    "two inputs": (
        on_model(
            lambda m: m.graph.input.append(
                helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])
            )
        ),
        "unusual inputs or outputs",
    ),
    "images of bytes": (
        on_model(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 2)),
        "unusual inputs or outputs",
    ),
    "images of one size": (
        on_model(
            lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 224)
        ),
        "images of a fixed size",
    ),
    "a subgraph": (add_subgraph, "with a graph or a reference inside"),
    "a domain": (
        on_model(lambda m: setattr(m.graph.node[0], "domain", "com.microsoft")),
        "domain 'com.microsoft'",
    ),
    "functions": (on_model(lambda m: m.functions.add(name="odd")), "functions of its own"),
    "sparse": (on_model(lambda m: m.graph.sparse_initializer.add()), "sparse constants"),
    "no operator set": (
        on_model(lambda m: m.opset_import.__delitem__(0)),
        "set none or several",
    ),
    "a huge operator set": (
        on_model(lambda m: setattr(m.opset_import[0], "version", HUGE)),
        f"operator set {HUGE}",
    ),
    "too many nodes": (
        on_model(lambda m: m.graph.node.extend([m.graph.node[1]] * 100_000)),
        "more than 10000 nodes",
    ),
    "joins of joins": (double_joins, "has a Concat,"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_means_nothing_is_refused_in_a_sentence(case: str, tmp_path: Path) -> None:
    change, told = CASES[case]
    model = whole()
    change(model)
    (tmp_path / "odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=told) as caught:
        read_network(tmp_path / "odd.onnx")
    assert str(caught.value).endswith("--runtime onnxruntime.")


@pytest.mark.parametrize(
    ("place", "values", "dtype"),
    [
        (1, 0, np.float32),
        (1, -0.1, np.float32),
        (1, np.nan, np.float32),
        (1, np.inf, np.float32),
        (1, 0.1, np.float64),
        (1, [0.1, 0.1], np.float32),
        (2, 3, np.int8),
        (2, 300, np.int32),
    ],
)
def test_scales_and_zero_points_are_of_bytes(
    place: int, values: object, dtype: type, tmp_path: Path
) -> None:
    model = quantized(random_model(0), tmp_path / "int8.onnx")
    with_constant("QuantizeLinear", values, dtype, place)(model)
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(CheckpointError, match=r"Linear, which the LLVM runtime"):
        read_network(tmp_path / "odd.onnx")


def test_a_number_that_its_type_cannot_hold_is_not_cut(tmp_path: Path) -> None:
    model = quantized(random_model(0), tmp_path / "int8.onnx")
    tensor = constant_of(model, "QuantizeLinear", 2)
    tensor.ClearField("raw_data")
    tensor.int32_data[:] = [256 + 3]
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(UnsoundOnnx, match="that its type cannot hold"):
        load_onnx(tmp_path / "odd.onnx")


def test_another_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(bytes(6 * 3 * 9 * 4))
    model = whole()
    store_elsewhere(model)
    constant_of(model, "Conv").external_data[0].value = "weights"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(UnsoundOnnx, match="in another file"):
        load_onnx(tmp_path / "odd.onnx")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotAFile, match="is a folder"):
        load_onnx(tmp_path)


def test_constants_listed_as_inputs_too_are_constants(tmp_path: Path) -> None:
    model = whole()
    model.graph.input.extend(
        helper.make_tensor_value_info(each.name, each.data_type, each.dims)
        for each in model.graph.initializer
    )
    onnx.save(model, tmp_path / "old.onnx")
    onnx.save(whole(), tmp_path / "new.onnx")
    old, new = (read_network(tmp_path / f"{each}.onnx")[0] for each in ("old", "new"))
    assert [type(each) for each in old.layers] == [type(each) for each in new.layers]
