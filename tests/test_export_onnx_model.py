"""Programs written as ONNX of every operator set, computed by ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from random_graphs import Builder, quantized, random_model
from shufflenet.export._onnx_model import Style, to_onnx  # private: files hold a card besides
from shufflenet.graph import Program, read_program

HEIGHT, WIDTH = 21, 18


def images(batch: int = 2, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 3, height, width), np.float32)


def logits(model: onnx.ModelProto, batch: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers)
    return np.asarray(session.run(None, {"images": batch})[0])


def program_of(model: onnx.ModelProto) -> Program:
    return read_program(model, 2, (HEIGHT, WIDTH))


def several() -> onnx.ModelProto:
    """A network of every operation that random ones lack, of operator set 24."""
    graph = Builder(0)
    x = graph.conv("images", 8, 3, 3, 3, stride=2)
    x = graph.add("HardSwish", x)
    sizes = ["batch", 2, 4, HEIGHT // 2 + 1, WIDTH // 2]
    for number, size in enumerate(([0, 2, 4, *sizes[3:]], [0, 8, *sizes[3:]])):
        x = graph.add("Reshape", x, graph.constant(np.array(size)))
        if number == 0:
            x = graph.add("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = graph.add("Swish", graph.conv(x, 8, 8, 1, 1))
    mean = graph.add("ReduceMean", x, graph.constant(np.array([2, 3])))
    gate = graph.add("HardSigmoid", graph.conv(mean, 8, 8, 1, 1), alpha=1 / 6, beta=0.5)
    x = graph.add("Mul", x, gate)
    x = graph.add("Mul", x, graph.add("Sigmoid", x))
    model = graph.finish(x, 8)
    model.opset_import[0].version = 24
    return model


@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 17, 18, 21, 24, 28])
@pytest.mark.parametrize("seed", range(4))
def test_random_networks_are_the_same_in_every_operator_set(seed: int, opset: int) -> None:
    model = random_model(seed)
    written = to_onnx(program_of(model), Style(opset=opset))
    assert written.opset_import[0].version == opset
    for batch in (images(), images(1, 40, 33)):
        expected = logits(model, batch)
        assert np.abs(logits(written, batch) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("opset", [9, 13, 14, 18, 24])
@pytest.mark.parametrize("size", [None, (HEIGHT, WIDTH)])
def test_operations_that_came_late_are_written_by_older_ones(
    opset: int, size: tuple[int, int] | None
) -> None:
    model = several()
    expected = logits(model, images())
    written = to_onnx(program_of(model), Style(opset=opset, size=size))
    names = {node.op_type for node in written.graph.node}
    assert ("HardSwish" in names, "Swish" in names) == (opset >= 14, opset >= 24)
    assert np.abs(logits(written, images()) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_mean_of_one_pixel_is_written_for_images_of_any_size() -> None:
    graph = Builder(0)
    x = graph.conv("images", 4, 3, 3, 3, stride=2)
    x = graph.add("Mul", x, graph.add("ReduceMean", x, graph.constant(np.array([2, 3]))))
    model = graph.finish(x, 4)
    written = to_onnx(read_program(model, 1, (2, 2)), Style(opset=18))
    assert np.allclose(logits(written, images()), logits(model, images()), atol=1e-6)


def test_a_shuffle_is_computed_at_every_size_that_was_left_open() -> None:
    program = program_of(several())
    assert [node.op for node in program.nodes].count("ChannelShuffle") == 1
    free, batch = to_onnx(program, Style(opset=24)), images(3, 30, 44)
    again = program_of(free)
    assert [node.op for node in again.nodes] == [node.op for node in program.nodes]
    (shuffle,) = (node for node in free.graph.node if node.op_type == "Transpose")
    assert list(helper.get_attribute_value(shuffle.attribute[0])) == [0, 2, 1, 3]
    fixed = to_onnx(read_program(several_of(30, 44), 3, (30, 44)), Style(opset=18, size=(30, 44)))
    assert np.allclose(logits(free, batch), logits(fixed, batch), rtol=1e-5, atol=1e-6)


def several_of(height: int, width: int) -> onnx.ModelProto:
    """The network of ``several`` for images of another size, for it reshapes to one of these."""
    model = several()
    for constant in model.graph.initializer:
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype == np.int64 and array.size > 2:
            changed = np.array([*array[:-2], -(-height // 2), -(-width // 2)])
            constant.CopyFrom(onnx.numpy_helper.from_array(changed, constant.name))
    return model


@pytest.mark.parametrize("opset", [13, 18, 21, 25, 27])
@pytest.mark.parametrize("seed", range(3))
def test_networks_in_int8_keep_their_bytes(seed: int, opset: int, tmp_path: Path) -> None:
    model = quantized(random_model(seed), tmp_path / "a.onnx")
    written = to_onnx(program_of(model), Style(opset=opset))
    assert np.array_equal(logits(written, images()), logits(model, images()))
    codes = {bytes(x.raw_data) for x in model.graph.initializer if x.data_type == 3 and x.dims}
    kept = {bytes(x.raw_data) for x in written.graph.initializer if x.data_type == 3}
    assert {code for code in codes if any(code)} <= kept


def test_networks_with_layers_in_float_are_mixed_after_writing(tmp_path: Path) -> None:
    model = random_model(1)
    convolutions = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    mixed = quantized(model, tmp_path / "a.onnx", in_float=convolutions[:1])
    written = to_onnx(program_of(mixed), Style(opset=18))
    assert np.array_equal(logits(written, images()), logits(mixed, images()))


def test_sizes_that_are_given_are_the_only_ones() -> None:
    written = to_onnx(program_of(random_model(0)), Style(opset=18, batch=2, size=(HEIGHT, WIDTH)))
    shape = written.graph.input[0].type.tensor_type.shape
    assert [each.dim_value for each in shape.dim] == [2, 3, HEIGHT, WIDTH]
    free = to_onnx(program_of(random_model(0)), Style(opset=18))
    names = [each.dim_param for each in free.graph.input[0].type.tensor_type.shape.dim]
    assert names == ["batch", "", "height", "width"]


def test_float16_takes_half_the_bytes_and_floats_at_both_ends() -> None:
    program = program_of(random_model(2))
    whole, half = (to_onnx(program, Style(opset=18, half=each)) for each in (False, True))
    kinds = {x.data_type for x in half.graph.initializer} - {onnx.TensorProto.INT64}
    assert kinds == {onnx.TensorProto.FLOAT16}
    expected, found = (logits(each, images()) for each in (whole, half))
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() <= 1e-2 * np.abs(expected).max()


@pytest.mark.parametrize(("opset", "kind"), [(12, "FLOAT"), (13, "FLOAT16")])
def test_weights_that_are_float16_numbers_are_stored_so_from_operator_set_13_on(
    opset: int, kind: str
) -> None:
    model = random_model(3)
    for constant in model.graph.initializer:
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype == np.float32:
            rounded = array.astype(np.float16).astype(np.float32)
            constant.CopyFrom(onnx.numpy_helper.from_array(rounded, constant.name))
    written = to_onnx(program_of(model), Style(opset=opset))
    kinds = {each.data_type for each in written.graph.initializer if len(each.dims) == 4}
    assert kinds == {onnx.TensorProto.DataType.Value(kind)}
    assert np.allclose(logits(written, images()), logits(model, images()), atol=1e-6)
