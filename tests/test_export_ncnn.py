"""ncnn's files: the right bytes of a network known by heart, and the logits of others."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import card_for
from random_graphs import Builder, quantized, random_model
from shufflenet.errors import NotExportable
from shufflenet.export import ExportOptions, Request, _ncnn, export_onnx_file
from shufflenet.files import NCNN_FLOAT16, NCNN_FLOAT32, NCNN_INT8, read_ncnn_text
from shufflenet.graph import read_program
from shufflenet.runtimes import OnnxClassifier, open_by, verify_file
from shufflenet.spec import FORMATS, RUNTIMES, Precision, V2Spec
from shufflenet.zoo import NETWORKS, SHIPPED
from tolerance import FLOAT32_RELATIVE

ncnn = pytest.importorskip("ncnn")

SPEC = NETWORKS["shufflenet_v2_x0_25"]
assert isinstance(SPEC, V2Spec)
# int8 of ncnn rounds other values halfway between two bytes, divides by an approximation, and does
# not round before a mean: 0.018 of the largest logit was seen in 250 random networks, 0.031 if
# some layers were in float.
INT8_RELATIVE = 0.05


def files_of(model: onnx.ModelProto, precision: Precision = "float32") -> dict[str, bytes]:
    request = Request(
        card=card_for(SPEC), metadata={}, stem="a", precision=precision, size=(21, 18),
        options=ExportOptions(), onnx=model.SerializeToString(),
    )  # fmt: skip
    return _ncnn.write(read_program(model, 1, request.size), request)


def computed(files: dict[str, bytes], folder: Path, images: np.ndarray) -> np.ndarray:
    """Compute an image by ncnn itself, in float32."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    assert not net.load_param(str(folder / "a.param"))
    assert not net.load_model(str(folder / "a.bin"))
    extractor = net.create_extractor()
    name = next(iter(read_ncnn_text(files["a.param"]))).name
    extractor.input(name, ncnn.Mat(np.ascontiguousarray(images[0])).clone())
    code, logits = extractor.extract("logits")
    assert code == 0
    return np.array(logits)


def difference(model: onnx.ModelProto, folder: Path, precision: Precision = "float32") -> float:
    """The largest difference of logits, relative to the largest, of two images of two sizes."""
    files, largest = files_of(model, precision), 0.0
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for height, width in ((21, 18), (34, 41)):
        shape = (1, 3, height, width)
        images = np.random.default_rng(height).standard_normal(shape, np.float32)
        expected = session.run(None, {"images": images})[0][0]
        apart = np.abs(computed(files, folder, images) - expected).max()
        largest = max(largest, float(apart / np.abs(expected).max()))
    return largest


def by_heart() -> onnx.ModelProto:
    """A 1x1 convolution of one channel, a ReLU, the mean and two logits."""
    arrays = {
        "w": np.array([[[[0.5]]]], np.float32), "b": np.array([0.1], np.float32),
        "v": np.array([[3], [-1]], np.float32), "c": np.array([0, 2], np.float32),
        "axes": np.array([2, 3]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["images", "w", "b"], ["x"], kernel_shape=[1, 1], pads=[0] * 4),
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("ReduceMean", ["y", "axes"], ["m"], keepdims=0),
        helper.make_node("Gemm", ["m", "v", "c"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "by heart",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_a_network_known_by_heart_has_the_right_bytes() -> None:
    files = files_of(by_heart())
    assert files["a.param"].decode() == (
        "7767517\n"
        "4 4\n"
        "Input images 0 1 images 2=1\n"
        "Convolution y 1 1 images y 0=1 1=1 5=1 6=1 9=1\n"
        "Pooling m_pooled 1 1 y m_pooled 0=1 4=1\n"
        "InnerProduct logits 1 1 m_pooled logits 0=2 1=1 2=2\n"
    )
    half = np.array([0.5], np.float16).tobytes() + bytes(2)  # exact, so that it is stored so
    whole = np.array([0.1], np.float32).tobytes() + struct.pack("<I", NCNN_FLOAT16)
    rest = np.array([3, -1], np.float16).tobytes() + np.array([0, 2], np.float32).tobytes()
    assert files["a.bin"] == struct.pack("<I", NCNN_FLOAT16) + half + whole + rest
    assert NCNN_FLOAT32 == 0


# --- the network's logits ---


@pytest.mark.parametrize("seed", range(12))
def test_a_random_network_computes_the_same_in_all_precisions(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    assert difference(model, tmp_path) <= FLOAT32_RELATIVE
    assert difference(model, tmp_path, "float16") <= FORMATS["ncnn"].tolerances["float16"]
    int8 = quantized(model, tmp_path / "int8.onnx")
    assert difference(int8, tmp_path, "int8") <= INT8_RELATIVE
    layers = [node.output[0] for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    mixed = quantized(model, tmp_path / "mixed.onnx", layers[seed % 2 :: 2])
    assert difference(mixed, tmp_path, "int8") <= INT8_RELATIVE


def swish(graph: Builder, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def squeeze(graph: Builder, x: str) -> str:
    axes = graph.constant(np.array([2, 3]))
    pooled = graph.add("ReduceMean", x, axes, keepdims=1)
    less = graph.add("HardSwish", graph.conv(pooled, 3, 8, 1, 1))
    gate = graph.add("HardSigmoid", graph.conv(less, 8, 3, 1, 1), alpha=1 / 6, beta=0.5)
    return graph.add("Mul", x, gate)


def shuffled(graph: Builder, x: str) -> str:
    shapes = [graph.constant(np.array(each)) for each in ((1, 2, 4, 11, 9), (1, 8, 11, 9))]
    grouped = graph.add("Reshape", x, shapes[0])
    return graph.add("Reshape", graph.add("Transpose", grouped, perm=[0, 2, 1, 3, 4]), shapes[1])


def halves(graph: Builder, x: str) -> str:
    """Even and odd channels, as Large takes them apart, joined the other way round."""
    ends = [graph.constant(np.array([each])) for each in (0, 1, 2, 2**63 - 1)]
    zero, one, two, all_of = ends
    even, odd = (graph.add("Slice", x, first, all_of, one, two) for first in (zero, one))
    return graph.add("Concat", odd, graph.add("Sigmoid", even), axis=1)


def hard(graph: Builder, x: str) -> str:
    return graph.add("HardSwish", x)


@pytest.mark.parametrize("unit", [swish, squeeze, halves, hard])
def test_the_operations_of_other_networks_compute_the_same(
    unit: Callable[[Builder, str], str], tmp_path: Path
) -> None:
    graph = Builder(5)
    x = unit(graph, graph.conv("images", 8, 3, 3, 3, stride=2))
    model = graph.finish(graph.conv(x, 6, 8, 1, 1), 6)
    assert difference(model, tmp_path) <= FLOAT32_RELATIVE


def test_a_kept_shuffle_is_one_layer(tmp_path: Path) -> None:
    graph = Builder(5)
    x = shuffled(graph, graph.conv("images", 8, 3, 3, 3, stride=2))
    model = graph.finish(graph.conv(x, 6, 8, 1, 1), 6)
    files = files_of(model)
    assert [layer.parameters for layer in read_ncnn_text(files["a.param"])
            if layer.kind == "ShuffleChannel"] == [{0: 2}]  # fmt: skip
    images = np.random.default_rng(0).standard_normal((1, 3, 21, 18), np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {"images": images})[0][0]
    assert np.allclose(computed(files, tmp_path, images), expected, atol=1e-5)


def test_channels_in_any_order_are_selected(tmp_path: Path) -> None:
    """Also one that is taken twice, and one that is not."""
    graph = Builder(5)
    indices = graph.constant(np.array([7, 0, 1, 2, 2, 5, 4]))
    x = graph.add("Gather", graph.conv("images", 8, 3, 3, 3, stride=2), indices, axis=1)
    model = graph.finish(graph.conv(x, 6, 7, 1, 1), 6)
    assert difference(model, tmp_path) <= FLOAT32_RELATIVE


def test_weights_of_int8_are_those_of_the_source(tmp_path: Path) -> None:
    """Codes may have the other sign, where ncnn would pad with a negative code."""
    model = quantized(random_model(3), tmp_path / "int8.onnx")
    numbers = files_of(model, "int8")["a.bin"]
    codes = [
        numpy_helper.to_array(each)
        for each in model.graph.initializer
        if each.data_type == TensorProto.INT8 and len(each.dims) == 4
    ]
    assert numbers.count(struct.pack("<I", NCNN_INT8)) >= len(codes) > 1
    for code in codes:
        assert any((sign * code).astype(np.int8).tobytes() in numbers for sign in (1, -1))


def test_a_window_that_is_not_padded_by_half_is_refused() -> None:
    graph = Builder(0)
    weights = graph.weights(4, 3, 3, 3)
    x = graph.add("Conv", "images", *weights, pads=[0, 0, 1, 1], strides=[2, 2])
    with pytest.raises(NotExportable, match="whose window is not padded by half of its odd side"):
        files_of(graph.finish(x, 4))


# --- the model that ships ---


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert SHIPPED.onnx
    path = tmp_path_factory.mktemp("shipped") / "m.param"
    done = export_onnx_file(SHIPPED.onnx, path)
    assert done.max_abs_difference <= 1e-4
    assert (done.same_top1, done.precision) == (done.images, "float32")
    return path


def test_the_model_that_ships_computes_the_same(shipped: Path) -> None:
    assert SHIPPED.onnx
    reference = OnnxClassifier(SHIPPED.onnx, threads=1)
    for threads in (1, 2):
        classifier = open_by(RUNTIMES["ncnn"], shipped, threads=threads)
        assert classifier.card == reference.card
        for size in (80, 61):
            shape = (2, size, 80, 3)
            pixels = np.random.default_rng(size).integers(0, 256, shape, np.uint8)
            expected = reference.logits_from_pixels(pixels)
            assert np.abs(classifier.logits_from_pixels(pixels) - expected).max() <= 1e-4


def test_an_exported_file_verifies(shipped: Path) -> None:
    done = verify_file(shipped)
    assert (done.runtime, done.agrees) == ("ncnn", True)


def test_float16_is_half_as_large_and_close(shipped: Path, tmp_path: Path) -> None:
    model = random_model(7)
    half, whole = (len(files_of(model, each)["a.bin"]) for each in ("float16", "float32"))
    assert half < 0.7 * whole
    assert shipped.with_suffix(".bin").stat().st_size < 3_000_000  # its weights are float16 already
