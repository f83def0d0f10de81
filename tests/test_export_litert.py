"""LiteRT files beside ONNX Runtime: what they compute, and what they tell other programs."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from random_graphs import Builder, quantized, random_model
from shufflenet.errors import NeedsInt8, SpecError
from shufflenet.export import ExportOptions, export_onnx_file
from shufflenet.files import read_onnx_card
from shufflenet.hub import resolve
from shufflenet.preprocess import affine
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import Precision
from tolerance import FLOAT32_RELATIVE

pytest.importorskip("ai_edge_litert")
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from litert_files import CARD, write_litert
from shufflenet.export._litert_metadata import task_metadata  # a gray file is slow to write
from shufflenet.runtimes import LiteRtClassifier

FLOAT = resolve("default", (".onnx",))
# Of the largest logit, by int8 networks of a few random layers: a value halfway between two bytes
# may be rounded to the other one. 0.02 was seen.
ONE_BYTE = 0.05


def assert_same(
    path: Path,
    model: onnx.ModelProto,
    tolerance: float,
    sizes: tuple[tuple[int, int], ...] = ((32, 32), (33, 38)),
) -> None:
    """The file computes what ONNX Runtime does, for any number and size of images."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    classifier = LiteRtClassifier(path, threads=1)
    for number, size in enumerate(sizes, start=1):
        # Pixels, so that what is read back as bytes is exactly what was normalized.
        pixels = np.random.default_rng(0).integers(0, 256, (number, *size, 3), np.uint8)
        images = prepared(pixels)
        (expected,) = session.run(None, {"images": images})
        largest = np.abs(expected).max()
        for computed in (classifier.logits_from_pixels(pixels), classifier.logits(images)):
            assert np.abs(computed - expected).max() <= tolerance * max(1, largest)


def prepared(pixels: np.ndarray) -> np.ndarray:
    factors, offsets = (x.astype(np.float32)[:, None, None] for x in affine(CARD.preprocess))
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 1) * factors + offsets)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_compute_the_same(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    assert_same(write_litert(model, tmp_path / "a.tflite"), model, FLOAT32_RELATIVE)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_in_int8_compute_the_same(seed: int, tmp_path: Path) -> None:
    model = quantized(random_model(seed), tmp_path / "int8.onnx")
    path = write_litert(model, tmp_path / "a.tflite", precision="int8")
    assert_same(path, model, ONE_BYTE)


@pytest.mark.parametrize("seed", range(4))
def test_networks_of_which_some_layers_are_in_int8(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    convolutions = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    mixed = quantized(model, tmp_path / "int8.onnx", in_float=convolutions[seed % 2 :: 2])
    path = write_litert(mixed, tmp_path / "a.tflite", precision="int8")
    assert_same(path, mixed, ONE_BYTE)


def after_a_layer(add: Callable[[Builder, str], str], channels: int = 6) -> onnx.ModelProto:
    graph = Builder(0)
    x = graph.conv("images", channels, 3, 3, 3, stride=2)
    return graph.finish(add(graph, x), channels)


POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
OPERATIONS: dict[str, Callable[[Builder, str], str]] = {
    "sigmoid": lambda graph, x: graph.add("Sigmoid", x),
    "swish": lambda graph, x: graph.add("Mul", x, graph.add("Sigmoid", x)),
    "hard sigmoid": lambda graph, x: graph.add("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "hard swish": lambda graph, x: graph.add("HardSwish", x),
    "maximum of numbers below 0": lambda graph, x: graph.add("MaxPool", x, **POOL),
    "average without padding": lambda graph, x: graph.add("AveragePool", x, **POOL),
    "average with padding": lambda g, x: g.add("AveragePool", x, **POOL, count_include_pad=1),
    "sum that is clipped": lambda graph, x: graph.add("Relu", graph.add("Add", x, x)),
    "choice": lambda g, x: g.add("Gather", x, g.constant(np.array([4, 1, 1, 0, 5, 2])), axis=1),
    "every second channel": lambda graph, x: graph.add(
        "Concat",
        *(graph.add("Gather", x, graph.constant(np.arange(n, 6, 2)), axis=1) for n in (0, 1)),
        axis=1,
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_computes_the_same(name: str, tmp_path: Path) -> None:
    model = after_a_layer(OPERATIONS[name])
    assert_same(write_litert(model, tmp_path / "a.tflite"), model, FLOAT32_RELATIVE)
    int8 = quantized(model, tmp_path / "int8.onnx")
    path = write_litert(int8, tmp_path / "b.tflite", precision="int8")
    assert_same(path, int8, ONE_BYTE)


def test_more_tensors_are_joined_than_the_runtime_joins_at_once(tmp_path: Path) -> None:
    def add(graph: Builder, x: str) -> str:
        names = [f"part{n}" for n in range(12)]
        sizes = graph.constant(np.ones(12, np.int64))
        graph.nodes.append(helper.make_node("Split", [x, sizes], names, axis=1))
        return graph.add("Concat", *names[::-1], axis=1)

    model = after_a_layer(add, channels=12)
    path = write_litert(model, tmp_path / "a.tflite")
    assert_same(path, model, FLOAT32_RELATIVE)
    assert delegated(path) == 1


def delegated(path: Path) -> int:
    """Count the parts of a file that XNNPACK computes; one is all of it."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    return sum(each["op_name"] == "DELEGATE" for each in interpreter._get_ops_details())


@pytest.mark.parametrize("int8", [False, True])
def test_a_kept_shuffle_has_one_size(int8: bool, tmp_path: Path) -> None:
    def add(graph: Builder, x: str) -> str:
        for sizes in ([-1, 2, 3, 11, 9], [-1, 6, 11, 9]):
            x = graph.add("Reshape", x, graph.constant(np.array(sizes)))
            x = graph.add("Transpose", x, perm=[0, 2, 1, 3, 4]) if len(sizes) == 5 else x
        return x

    model = after_a_layer(add)
    model = quantized(model, tmp_path / "int8.onnx") if int8 else model
    precision: Precision = "int8" if int8 else "float32"
    size = (21, 18)
    path = write_litert(model, tmp_path / "a.tflite", precision=precision, size=size)
    assert_same(path, model, ONE_BYTE if int8 else FLOAT32_RELATIVE, sizes=(size,))
    with pytest.raises(SpecError, match=r"'32 x 18 px', but must be 21 x 18 px for this file"):
        LiteRtClassifier(path).logits_from_pixels(np.zeros((1, 32, 18, 3), np.uint8))
    assert delegated(path) == 1


# --- files of export ---


@pytest.fixture(scope="module")
def int8_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("litert")
    quantize_onnx(
        write_float_file(folder),
        written(folder / "photos", pictures(30), CLASSES),
        folder / "int8.onnx",
        QUICK,
    )
    return folder / "int8.onnx"


def test_a_float_file_is_the_network(tmp_path: Path) -> None:
    done = export_onnx_file(FLOAT, tmp_path / "a.tflite")
    assert (done.format, done.precision, done.same_top1) == ("litert", "float32", done.images)
    assert done.max_abs_difference <= FLOAT32_RELATIVE * done.max_abs_logit
    assert delegated(tmp_path / "a.tflite") == 1
    half = export_onnx_file(FLOAT, tmp_path / "b.tflite", ExportOptions(precision="float16"))
    assert half.bytes < 0.7 * done.bytes
    assert half.max_abs_difference < 0.02 * half.max_abs_logit


def test_an_int8_file_holds_the_weights_and_ranges_that_quantize_chose(
    int8_source: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.tflite"
    assert export_onnx_file(int8_source, path).precision == "int8"
    pixels = pictures(20)
    expected = OnnxClassifier(int8_source).logits_from_pixels(pixels)
    computed = LiteRtClassifier(path).logits_from_pixels(pixels)
    assert np.abs(computed - expected).max() <= ONE_BYTE * np.abs(expected).max()
    graph = onnx.load(int8_source).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    codes = [each for each in constants.values() if each.dtype == np.int8 and each.ndim == 4]
    held = constants_of(path, schema.TensorType.INT8)
    for array in codes:
        turned = array.transpose(1, 2, 3, 0) if array.shape[1] == 1 else array.transpose(0, 2, 3, 1)
        assert turned.tobytes() in held
    assert codes


def constants_of(path: Path, kind: int) -> list[bytes]:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    (graph,) = model.subgraphs
    buffers = [model.buffers[tensor.buffer].data for tensor in graph.tensors if tensor.type == kind]
    return [np.asarray(data, np.uint8).tobytes() for data in buffers if data is not None]


def test_int8_needs_a_file_in_int8(tmp_path: Path) -> None:
    with pytest.raises(NeedsInt8):
        export_onnx_file(FLOAT, tmp_path / "a.tflite", ExportOptions(precision="int8"))
    assert not list(tmp_path.iterdir())


def test_the_stated_shape_is_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    export_onnx_file(FLOAT, path, ExportOptions(batch=2, image_px=(40, 64)))
    (images,) = Interpreter(str(path)).get_input_details()
    assert images["shape"].tolist() == [2, 40, 64, 3]
    assert images["dtype"] == np.float32


@pytest.mark.parametrize("int8", [False, True])
def test_any_program_gives_pixels_as_they_are(
    int8: bool, int8_source: Path, tmp_path: Path
) -> None:
    """Red first and from 0 to 255, whatever the network was trained on."""
    path = int8_source if int8 else FLOAT
    model = onnx.load(path)
    card = OnnxClassifier(path).card
    how = replace(
        card.preprocess, channels="bgr", value_range=255, mean=(9, 99, 120), std=(50, 60, 70)
    )
    backwards = replace(card, preprocess=how)
    for entry in model.metadata_props:
        if entry.key == "shufflenet":
            entry.value = backwards.to_json()
    onnx.save(model, tmp_path / "bgr.onnx")
    precision: Precision = "int8" if int8 else "float32"
    write_litert(model, tmp_path / "a.tflite", card=backwards, precision=precision)
    pixels = pictures(3)
    interpreter = Interpreter(str(tmp_path / "a.tflite"))
    (images,), (logits,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert images["dtype"] == (np.uint8 if int8 else np.float32)
    interpreter.resize_tensor_input(images["index"], pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(images["index"], pixels.astype(images["dtype"]))
    interpreter.invoke()
    session = onnxruntime.InferenceSession(model.SerializeToString())
    factors, offsets = (x.astype(np.float32)[:, None, None] for x in affine(how))
    batch = np.ascontiguousarray(np.moveaxis(pixels, -1, 1)[:, ::-1]) * factors + offsets
    (expected,) = session.run(None, {"images": batch})
    difference = np.abs(interpreter.get_tensor(logits["index"]) - expected).max()
    assert difference <= (ONE_BYTE if int8 else FLOAT32_RELATIVE) * np.abs(expected).max()


def test_a_network_that_subtracts_an_image_takes_normalized_images(tmp_path: Path) -> None:
    how = replace(CARD.preprocess, resize_px=256, crop_px=224, mean_image="megvii-imagenet-224")
    card = replace(CARD, preprocess=how)
    model = random_model(3)
    path = write_litert(model, tmp_path / "a.tflite", card=card, size=(224, 224))
    batch = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(None, {"images": batch})
    difference = np.abs(LiteRtClassifier(path).logits(batch) - expected).max()
    assert difference <= FLOAT32_RELATIVE * max(1, np.abs(expected).max())


def test_other_programs_read_labels_and_what_a_pixel_is(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    export_onnx_file(FLOAT, path)
    with zipfile.ZipFile(path) as archive:
        labels = archive.read("labels.txt").decode().splitlines()
    card = read_onnx_card(FLOAT)
    assert labels == [label.name for label in card.labels]
    table = Table(metadata_entry(path, "TFLITE_METADATA"))
    assert table.text(0) == card.name  # ModelMetadata.name
    (graph,) = table.tables(3)
    ((image,), (logits,)) = graph.tables(2), graph.tables(3)
    (step,) = image.tables(4)
    assert step.byte(0) == 1  # NormalizationOptions
    assert (step.table(1).floats(0), step.table(1).floats(1)) == ([0.0], [1.0])
    properties = image.table(3).table(1)  # Content.content_properties
    assert (image.table(3).byte(0), properties.byte(0)) == (2, 1)  # ImageProperties, RGB
    (file,) = logits.tables(6)
    assert (file.text(0), file.byte(2)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS


def test_other_programs_read_that_a_pixel_is_a_gray_level() -> None:
    how = replace(CARD.preprocess, channels="gray", mean=(0.5,), std=(0.2,))
    table = Table(task_metadata(replace(CARD, preprocess=how), (20, 30), as_bytes=True))
    ((image,),) = (graph.tables(2) for graph in table.tables(3))
    assert image.text(1) == "A gray level, from 0 to 255."
    assert image.table(3).table(1).byte(0) == 2  # GRAYSCALE


def metadata_entry(path: Path, name: str) -> bytes:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    buffers = {entry.name.decode(): entry.buffer for entry in model.metadata}
    return bytes(bytearray(model.buffers[buffers[name]].data))


class Table:
    """A table of FlatBuffers, its fields by their numbers in the schema."""

    def __init__(self, data: bytes, at: int | None = None) -> None:
        self.data = data
        self.at = self.number(0, 4) if at is None else at

    def number(self, at: int, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.data[at : at + width], "little", signed=signed)

    def field(self, slot: int) -> int:
        vtable = self.at - self.number(self.at, 4, signed=True)
        return self.at + self.number(vtable + 4 + 2 * slot, 2)

    def target(self, slot: int) -> int:
        return self.field(slot) + self.number(self.field(slot), 4)

    def byte(self, slot: int) -> int:
        return self.data[self.field(slot)]

    def table(self, slot: int) -> "Table":
        return Table(self.data, self.target(slot))

    def tables(self, slot: int) -> list["Table"]:
        first = self.target(slot) + 4
        places = [first + 4 * n for n in range(self.number(first - 4, 4))]
        return [Table(self.data, at + self.number(at, 4)) for at in places]

    def text(self, slot: int) -> str:
        at = self.target(slot)
        return self.data[at + 4 : at + 4 + self.number(at, 4)].decode()

    def floats(self, slot: int) -> list[float]:
        at = self.target(slot)
        return list(np.frombuffer(self.data, "<f4", self.number(at, 4), at + 4))


def test_it_has_no_operator_sets(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="opset"):
        export_onnx_file(FLOAT, tmp_path / "a.tflite", ExportOptions(opset=18))
