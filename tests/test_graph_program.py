"""A network read as a program computes what its file does."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from programs import compute
from random_graphs import Builder, quantized, random_model
from shufflenet.graph import OPERATIONS, Unsound, load_onnx, read_program

SHAPE = (2, 3, 21, 18)
IMAGES = np.random.default_rng(1).standard_normal(SHAPE, np.float32)


def by_onnxruntime(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (logits,) = session.run(None, {"images": IMAGES})
    return np.asarray(logits)


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_are_computed_alike(seed: int) -> None:
    model = random_model(seed)
    program = read_program(model, SHAPE[0], SHAPE[2:])
    assert {node.op for node in program.nodes} <= set(OPERATIONS)
    assert np.abs(compute(program, IMAGES) - by_onnxruntime(model)).max() < 1e-4
    assert not program.params
    assert not program.scales
    assert program.shapes[program.logits] == (2, 5)


@pytest.mark.parametrize("some_in_float", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_random_quantized_graphs_are_computed_alike(
    seed: int, some_in_float: bool, tmp_path: Path
) -> None:
    model = random_model(seed)
    layers = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    quantized(model, tmp_path / "a.onnx", layers[::2] if some_in_float else ())
    program = read_program(load_onnx(tmp_path / "a.onnx"), SHAPE[0], SHAPE[2:])
    expected = by_onnxruntime(onnx.load(tmp_path / "a.onnx"))
    assert program.params
    assert {array.dtype for name, array in program.constants.items() if name in program.scales} <= {
        np.dtype(np.int8), np.dtype(np.int32),
    }  # fmt: skip
    # A value halfway between two bytes may be rounded to the other one.
    assert np.abs(compute(program, IMAGES) - expected).max() < 0.1 * max(1, np.abs(expected).max())


def shuffled(groups: int, sizes: list[list[int]]) -> onnx.ModelProto:
    """Return a network with a channel shuffle, as torch exports it for images of one size."""
    graph = Builder(0)
    x = graph.conv("images", 12, 3, 3, 3, stride=2)
    for size, op in zip(sizes, ("", "Transpose"), strict=True):
        if op:
            x = graph.add(op, x, perm=[0, 2, 1, 3, 4])
        x = graph.add("Reshape", x, graph.constant(np.array(size)))
    return graph.finish(graph.conv(x, 8, 12, 1, 1), 8)


@pytest.mark.parametrize("groups", [2, 3])
def test_a_shuffle_is_one_operation(groups: int) -> None:
    model = shuffled(groups, [[2, groups, 12 // groups, 11, 9], [2, -1, 11, 9]])
    program = read_program(model, SHAPE[0], SHAPE[2:])
    (shuffle,) = (node for node in program.nodes if node.op == "ChannelShuffle")
    assert shuffle.attributes == {"groups": groups}
    assert np.abs(compute(program, IMAGES) - by_onnxruntime(model)).max() < 1e-5


@pytest.mark.parametrize(
    "sizes", [[[2, 5, 2, 11, 9], [2, 12, 11, 9]], [[2, 2, 6, 9, 11], [2, 12, 11, 9]]]
)
def test_another_reshape_is_refused(sizes: list[list[int]]) -> None:
    with pytest.raises(Unsound, match="has a Reshape that does not fit"):
        read_program(shuffled(2, sizes), SHAPE[0], SHAPE[2:])


@pytest.mark.parametrize(
    ("op", "attributes", "problem"),
    [
        ("Tanh", {}, "has a Tanh, which is not read"),
        ("HardSigmoid", {"alpha": 0.3}, "has a HardSigmoid that does not fit"),
        ("Concat", {"axis": 2}, "has a Concat that does not fit"),
        ("MaxPool", {"kernel_shape": [40, 40]}, "has a MaxPool that does not fit"),
        ("Split", {"axis": 3}, "has a Split that does not fit"),
    ],
)
def test_what_no_network_computes_is_refused(
    op: str, attributes: dict[str, object], problem: str
) -> None:
    graph = Builder(0)
    x = graph.conv("images", 4, 3, 3, 3)
    model = graph.finish(graph.add(op, x, **attributes), 4)
    with pytest.raises(Unsound, match=problem):
        read_program(model, SHAPE[0], SHAPE[2:])


def test_constants_of_other_layers_are_left_out() -> None:
    model = random_model(3)
    unread = helper.make_tensor("unread", TensorProto.FLOAT, [1], [1.0])
    model.graph.initializer.append(unread)
    program = read_program(model, *SHAPE[:1], SHAPE[2:])
    assert "unread" not in program.constants
    assert model.graph.initializer[-1].name == "unread"  # the model is left as it was
