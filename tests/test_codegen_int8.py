"""Int8 networks as machine code: what ONNX Runtime computes, and sums that never overflow."""

import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from quantizing import CLASSES, pictures, write_float_file, written
from shufflenet.errors import CheckpointError
from shufflenet.machine import host_target
from shufflenet.preprocess import normalize
from shufflenet.quantize import QuantizeOptions, quantize_onnx
from shufflenet.runtimes import CHECK_KEY, HASH_KEY, OnnxClassifier
from shufflenet.spec import NetworkSpec, Stage, Target, V1Spec

pytest.importorskip("llvmlite")

from shufflenet.graph import Convolution, read_network
from shufflenet.runtimes import LlvmClassifier

HOST = host_target(int8=False)
pytestmark = pytest.mark.xdist_group("codegen int8")  # a worker makes the int8 file once


def quantised(folder: Path, spec: NetworkSpec | None = None) -> Path:
    photos = written(folder / "photos", pictures(40), CLASSES)
    options = QuantizeOptions(max_drop_percent=100, calibrators=("minmax",))
    quantize_onnx(write_float_file(folder, spec), photos, folder / "int8.onnx", options)
    return folder / "int8.onnx"


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quantised(tmp_path_factory.mktemp("int8"))


@pytest.fixture(scope="module")
def classifier(int8_file: Path, instructions: Target) -> LlvmClassifier:
    return LlvmClassifier(int8_file, threads=2, target=instructions)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Open a model as it is written: rounded where it says so, in float32 between."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def prepared(classifier: LlvmClassifier, count: int, side: int) -> npt.NDArray[np.float32]:
    return normalize(pictures(count, side), classifier.card.preprocess)


# --- what is computed ---


@pytest.mark.parametrize("even", [True, False])
def test_features_are_the_bytes_that_the_file_means(
    classifier: LlvmClassifier, int8_file: Path, instructions: Target, *, even: bool
) -> None:
    """Of odd sizes, test_codegen_networks.py has the other one for each kind of instructions."""
    odd = (33, 70) if instructions.multiplies_bytes == "AVX-VNNI" else (1, 1)
    size = (32, 32) if even else odd
    model = onnx.load(int8_file)
    mean = next(node for node in model.graph.node if node.op_type == "ReduceMean")
    after = next(node for node in model.graph.node if mean.output[0] in node.input)
    output = helper.make_tensor_value_info(after.output[0], onnx.TensorProto.UINT8, None)
    model.graph.output.append(output)
    images = prepared(classifier, 2, 224)[:, :, : size[0], : size[1]]
    logits, meant = session(model).run(None, {"images": images})
    found = classifier.logits(images)
    compiled = classifier._compiled_for(images.shape[1:])
    features = np.stack([compiled.features(image) for image in images])[:, : meant.shape[1]]
    # A value at the edge of two bytes may be rounded to the other one.
    apart = np.abs(features.astype(int) - meant)
    assert apart.max() <= 2
    assert apart.mean() < 0.05
    assert np.abs(found - logits).max() <= 0.02 * np.abs(logits).max()


def test_large_maps_are_made_in_strips(int8_file: Path) -> None:
    """By this processor's own instructions; by all of them in test_codegen_networks.py."""
    classifier = LlvmClassifier(int8_file, threads=2)
    images = prepared(classifier, 2, 640)
    expected = OnnxClassifier(int8_file).logits(images)
    first, second = images[:1], images[1:]
    before = classifier.logits(first)
    assert np.abs(before - expected[:1]).max() <= 0.02 * np.abs(expected).max()
    classifier.logits(second)  # what it left in the arena changes nothing
    assert np.array_equal(classifier.logits(first), before)


def test_many_images_and_threads_change_nothing(classifier: LlvmClassifier) -> None:
    images = prepared(classifier, 9, 32)
    together = classifier.logits(images)
    assert np.array_equal(together, np.concatenate([classifier.logits(i[None]) for i in images]))
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(classifier.logits, [images] * 8):
            assert np.array_equal(answer, together)


def test_what_no_byte_can_hold_is_cut_off(classifier: LlvmClassifier, int8_file: Path) -> None:
    images = prepared(classifier, 1, 32)
    images[0, 0, 3:5], images[0, 1, 9:12] = 9e29, -9e29  # runtimes refuse more
    expected = OnnxClassifier(int8_file).logits(images)
    assert np.abs(classifier.logits(images) - expected).max() <= 0.02 * np.abs(expected).max()


def test_channels_that_fill_up_bottlenecks_are_left_out(int8_file: Path) -> None:
    stored = {x.dims[0] for x in onnx.load(int8_file).graph.initializer if x.dims[1:2] == [1]}
    network, _ = read_network(int8_file)
    layers = [layer for layer in network.layers if isinstance(layer, Convolution)]
    assert {16, 32} < stored
    assert {len(x.weight) for x in layers if x.depthwise} == stored - {16, 32} | {12, 24}


def test_a_channel_among_others_stays_though_nothing_reads_it(
    int8_file: Path, tmp_path: Path
) -> None:
    """Without it others would be neighbours, whose weights may be too large together."""
    model = onnx.load(int8_file)
    last = next(t for t in model.graph.initializer if t.dims[1:3] == [16, 1])
    codes = numpy_helper.to_array(last).copy()
    codes[:, :4] = np.array([0, 127, 127, 1])[:, None, None]
    put(last, codes)
    onnx.save(model, tmp_path / "changed.onnx")
    before, after = (read_network(path)[0] for path in (int8_file, tmp_path / "changed.onnx"))
    for one, other in zip(before.layers, after.layers, strict=True):
        if isinstance(one, Convolution) and isinstance(other, Convolution):
            assert one.weight.shape == other.weight.shape


def with_sums(source: Path, path: Path, largest: float, bias: float = 0.0) -> Path:
    """Write a file, one of whose channels can reach so many bytes, by its sum or its bias."""
    network, _ = read_network(source)
    layer = network.layers[-2]
    assert isinstance(layer, Convolution)
    assert layer.scale is not None
    model = onnx.load(source)
    model.metadata_props.remove(next(e for e in model.metadata_props if e.key == CHECK_KEY))
    constants = {t.name: t for t in model.graph.initializer}
    for name, factor in (
        ("conv5.0.weight_scale", largest / (255 * np.abs(layer.weight[0]).sum() * layer.scale[0])),
        ("conv5.0.bias_quantized_scale", 1 + bias / abs(layer.bias[0])),
    ):
        scale = numpy_helper.to_array(constants[name]).copy()
        scale[0] *= np.float32(factor)
        put(constants[name], scale)
    onnx.save(model, path)
    return path


def test_a_channel_far_beyond_what_a_byte_holds_is_cut_off(
    int8_file: Path, instructions: Target, tmp_path: Path
) -> None:
    """As one is that hardly fired on the images it was calibrated on."""
    path = with_sums(int8_file, tmp_path / "large.onnx", 2.0**29)
    classifier = LlvmClassifier(path, target=instructions)
    images = prepared(classifier, 4, 32)
    (expected,) = session(onnx.load(path)).run(None, {"images": images})
    assert np.abs(classifier.logits(images) - expected).max() <= 0.02 * np.abs(expected).max()


@pytest.mark.parametrize(("largest", "bias"), [(2.0**31, 0.0), (2.0**20, 2.0**24)])
def test_sums_that_cannot_be_rounded_are_refused(
    int8_file: Path, largest: float, bias: float, tmp_path: Path
) -> None:
    path = with_sums(int8_file, tmp_path / "larger.onnx", largest, bias)
    with pytest.raises(CheckpointError, match="scales too far apart"):
        LlvmClassifier(path)


def test_the_logits_in_the_file_are_computed(
    int8_file: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def opened(entry: str) -> LlvmClassifier:
        model = onnx.load(int8_file)
        next(e for e in model.metadata_props if e.key == CHECK_KEY).value = entry
        onnx.save(model, tmp_path / "checked.onnx")
        return LlvmClassifier(tmp_path / "checked.onnx")

    with caplog.at_level(logging.WARNING):
        LlvmClassifier(int8_file)
    assert not caplog.records
    with pytest.raises(CheckpointError, match="gives other logits here"):
        opened("[9, -9, 9]")
    for damaged in ("[1, 2", "[1, 2]", '{"a": 1}'):
        with pytest.raises(CheckpointError, match="damaged logits"):
            opened(damaged)


def moved(path: Path, zero: int) -> onnx.ModelProto:
    """Read a file in which no map begins at 0: what its bytes stand for is moved by so many."""
    model = onnx.load(path)
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.uint8 and values.size == 1 and values == 0:
            put(constant, np.full(values.shape, zero, np.uint8))
    return model


def rounded_once(model: onnx.ModelProto) -> onnx.ModelProto:
    """Cut results off, and not round them, that are rounded again once added or joined."""
    nodes, constants = model.graph.node, {t.name: t for t in model.graph.initializer}
    makers = {name: node for node in nodes for name in node.output}
    for reader in [node for node in nodes if node.op_type in ("Add", "Concat")]:
        for number, name in enumerate(reader.input):
            rounding = makers[makers[name].input[0]]
            if makers[rounding.input[0]].op_type in ("Conv", "AveragePool"):
                scale, zero = (numpy_helper.to_array(constants[n]) for n in rounding.input[1:])
                ends = [f"{name} {end}" for end in ("low", "high", "cut off")]
                for end, byte in zip(ends, (0, 255), strict=False):
                    real = np.array((byte - zero.astype(np.float32)) * scale, np.float32)
                    model.graph.initializer.append(numpy_helper.from_array(real, end))
                clip = helper.make_node("Clip", [rounding.input[0], *ends[:2]], ends[2:])
                nodes.insert(list(nodes).index(reader), clip)
                reader.input[number] = ends[2]
    return model


@pytest.fixture(scope="module")
def v1_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    @functools.cache
    def of(groups: int) -> Path:
        stem, *widths = {3: (12, 192, 240), 8: (64, 128, 256)}[groups]
        stages = tuple(Stage(channels=width, repeats=2) for width in widths)
        spec = V1Spec(name="v1", groups=groups, stages=stages, stem_channels=stem, classes=3)
        return quantised(tmp_path_factory.mktemp("v1"), spec)

    return of


# Groups of V1, or 0 for V2, beside eight groups: a kernel pads by the channels that it reads, and
# the zeros that maps are moved to are in constants, whatever multiplies bytes.
OTHERS = {
    "portable": (0, 21),
    "AVX2": (3, 0),
    "AVX-VNNI": (3, 0),
    "AVX-512 VNNI": (0, 21),
    "AMX": (0, 21),
}


@pytest.mark.parametrize("eight", [True, False])
def test_sums_averages_and_zeros_of_every_layer(
    instructions: Target,
    v1_files: Callable[[int], Path],
    int8_file: Path,
    tmp_path: Path,
    *,
    eight: bool,
) -> None:
    """V1 quantises some results twice; and here maps hold what a ReLU would have left out."""
    groups, zero = (8, 21) if eight else OTHERS[instructions.multiplies_bytes]
    model = moved(v1_files(groups) if groups else int8_file, zero)
    kept = [entry for entry in model.metadata_props if entry.key != CHECK_KEY]
    helper.set_model_props(model, {entry.key: entry.value for entry in kept})
    onnx.save(model, tmp_path / "moved.onnx")
    classifier = LlvmClassifier(tmp_path / "moved.onnx", threads=1, target=instructions)
    images = prepared(classifier, 6, 72)
    (expected,) = session(rounded_once(model)).run(None, {"images": images})
    assert np.abs(classifier.logits(images) - expected).max() <= 0.02 * np.abs(expected).max()


# --- what is refused ---


def changed(source: Path, path: Path, kind: str) -> Path:
    """Write a file that means something else than the runtime computes."""
    model = onnx.load(source)
    nodes, constants = model.graph.node, {t.name: t for t in model.graph.initializer}
    if kind == "weights of full range":
        name = next(n for n in constants if n.endswith("weight_quantized"))
        put(constants[name], np.full(constants[name].dims, 127, np.int8))
    elif kind == "a scale of its own after a Split":
        split = next(node for node in nodes if node.op_type == "Split")
        after = next(node for node in nodes if split.output[0] in node.input)
        model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "scale"))
        after.input[1] = "scale"
    elif kind == "read before it is rounded":
        convolutions = [node for node in nodes if node.op_type == "Conv"]
        depthwise = next(c for c in convolutions if helper.get_node_attr_value(c, "group") > 1)
        depthwise.input[0] = convolutions[0].output[0]
    elif kind == "bytes taken for numbers":
        reader = next(node for node in nodes if node.op_type == "Split")
        reader.input[0] = next(n for n in nodes if n.output[0] == reader.input[0]).input[0]
    elif kind == "scales of the inputs":
        weights = [n for n in nodes if n.op_type == "DequantizeLinear" and n.attribute]
        del next(n for n in weights if n.input[0].endswith("weight_quantized")).attribute[:]
    else:
        scale = next(n for n in constants if n.endswith("weight_scale"))
        factor = {"large sums": 1e9, "no number": np.nan, "negative": -1e9}[kind]
        put(constants[scale], numpy_helper.to_array(constants[scale]) * np.float32(factor))
    entries = [entry for entry in model.metadata_props if entry.key not in (HASH_KEY, CHECK_KEY)]
    del model.metadata_props[:]
    model.metadata_props.extend(entries)  # as a file of which nobody knows that it was changed
    onnx.save(model, path)
    return path


def put(constant: onnx.TensorProto, values: npt.NDArray[np.generic]) -> None:
    constant.CopyFrom(numpy_helper.from_array(values, constant.name))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("a scale of its own after a Split", "QuantizeLinear"),
        ("read before it is rounded", "Conv"),
        ("bytes taken for numbers", "Split"),
        ("scales of the inputs", "DequantizeLinear"),
        ("large sums", "scales too far apart"),
        ("no number", "DequantizeLinear"),
        ("negative", "DequantizeLinear"),
    ],
)
def test_files_that_mean_something_else_are_refused(
    int8_file: Path, kind: str, told: str, tmp_path: Path
) -> None:
    path = changed(int8_file, tmp_path / "changed.onnx", kind)
    with pytest.raises(CheckpointError, match=f"{told}.*--runtime onnxruntime"):
        LlvmClassifier(path)


def test_weights_of_full_range_are_multiplied_exactly(
    int8_file: Path, instructions: Target, tmp_path: Path
) -> None:
    path = changed(int8_file, tmp_path / "full.onnx", "weights of full range")
    classifier = LlvmClassifier(path, target=instructions)
    images = prepared(classifier, 4, 32)
    (expected,) = session(onnx.load(path)).run(None, {"images": images})
    assert np.abs(classifier.logits(images) - expected).max() <= 0.02 * np.abs(expected).max()


def test_pixels_have_the_logits_of_their_normalized_image(classifier: LlvmClassifier) -> None:
    photos = pictures(3, 32)
    expected = classifier.logits(normalize(photos, classifier.card.preprocess))
    assert np.array_equal(classifier.logits_from_pixels(photos), expected)
    assert np.array_equal(classifier.logits_from_pixels(photos[:1]), expected[:1])
