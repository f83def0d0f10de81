"""Int8 networks as machine code: what ONNX Runtime computes, and sums that never overflow."""

import ctypes
import functools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from quantizing import CLASSES, pictures, write_float_file, written
from shufflenet.engine import CHECK_KEY, OnnxClassifier
from shufflenet.errors import CheckpointError
from shufflenet.preprocess import normalised
from shufflenet.quantize import _quantize, quantize_onnx
from shufflenet.spec import NetworkSpec, Stage, V1Spec

pytest.importorskip("llvmlite")
from llvmlite import binding, ir

from shufflenet.native import LlvmClassifier, _compiled
from shufflenet.native._int8_kernels import Int8Kernels
from shufflenet.native._int8_pairs import PairKernels
from shufflenet.native._int8_tiles import tiles_permitted
from shufflenet.native._int8_weights import STEP, fits
from shufflenet.native._kernels import CLASSES as CLASSES_AT_ONCE
from shufflenet.native._layers import Convolution, Linear
from shufflenet.native._memory import Memory, aligned
from shufflenet.native._read import read_network

FEATURES = binding.get_host_cpu_features()
pytestmark = [
    pytest.mark.xdist_group("native int8"),  # a worker makes the int8 file once
    pytest.mark.skipif(not FEATURES.get("avx2"), reason="this processor lacks AVX2"),
]

INSTRUCTIONS = {
    "AVX2": True,
    "AVX-VNNI": FEATURES.get("avxvnni") or FEATURES.get("avx512vnni"),
    "AVX-512 VNNI": FEATURES.get("avx512vnni"),
    "AMX": FEATURES.get("amx-int8") and tiles_permitted(),
}


@pytest.fixture(scope="module", params=[name for name, has in INSTRUCTIONS.items() if has])
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """Compute as several processors would, as far as this one has their instructions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_compiled, "_instructions", lambda: request.param)
        yield request.param


def kernels_of(instructions: str) -> Int8Kernels:
    kernels = _compiled._INT8_KERNELS[instructions](ir.Module())
    assert isinstance(kernels, Int8Kernels)
    return kernels


def quantised(folder: Path, spec: NetworkSpec | None = None) -> Path:
    photos = written(folder / "photos", pictures(40), CLASSES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_quantize, "CALIBRATORS", ("minmax",))
        float_file = write_float_file(folder, spec)
        quantize_onnx(float_file, photos, folder / "int8.onnx", max_drop_percent=100)
    return folder / "int8.onnx"


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quantised(tmp_path_factory.mktemp("int8"))


@pytest.fixture(scope="module")
def classifier(int8_file: Path, instructions: str) -> LlvmClassifier:
    return LlvmClassifier(int8_file, threads=2)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Open a model as it is written: rounded where it says so, in float32 between."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def prepared(classifier: LlvmClassifier, count: int, side: int) -> npt.NDArray[np.float32]:
    return normalised(pictures(count, side), classifier.card.preprocess)


# --- what is computed ---


@pytest.mark.parametrize("size", [(32, 32), (33, 70), (1, 1), (7, 224)])
def test_features_are_the_bytes_that_the_file_means(
    classifier: LlvmClassifier, int8_file: Path, size: tuple[int, int]
) -> None:
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


def test_large_maps_are_made_in_strips(classifier: LlvmClassifier, int8_file: Path) -> None:
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
    images[0, 0, 3:5], images[0, 1, 9:12] = 1e30, -1e30
    images[0, 2, :2], images[0, 2, 4] = np.inf, -np.inf
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
    int8_file: Path, instructions: str, tmp_path: Path
) -> None:
    """As one is that hardly fired on the images it was calibrated on."""
    path = with_sums(int8_file, tmp_path / "large.onnx", 2.0**29)
    classifier = LlvmClassifier(path)
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
    opened("[9, -9, 9]")
    assert "otherwise here than it is meant" in caplog.text
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


@pytest.mark.parametrize("zero", [0, 21])
@pytest.mark.parametrize("groups", [0, 3, 8])
def test_sums_averages_and_zeros_of_every_layer(
    instructions: str,
    groups: int,
    zero: int,
    v1_files: Callable[[int], Path],
    int8_file: Path,
    tmp_path: Path,
) -> None:
    """V1 quantises some results twice; and here maps hold what a ReLU would have left out."""
    model = moved(v1_files(groups) if groups else int8_file, zero)
    kept = [entry for entry in model.metadata_props if entry.key != CHECK_KEY]
    helper.set_model_props(model, {entry.key: entry.value for entry in kept})
    onnx.save(model, tmp_path / "moved.onnx")
    classifier = LlvmClassifier(tmp_path / "moved.onnx", threads=1)
    images = prepared(classifier, 6, 72)
    (expected,) = session(rounded_once(model)).run(None, {"images": images})
    assert np.abs(classifier.logits(images) - expected).max() <= 0.02 * np.abs(expected).max()


# --- sums of products in 16 bits ---


def bounded_weights(read: int, made: int) -> npt.NDArray[np.int8]:
    """Weights whose neighbours reach what 16 bits hold: sums of 128 of either sign, or 127."""
    rng = np.random.default_rng(read)
    weights = rng.normal(0, 25, (read, made)).clip(-64, 64).astype(np.int8)
    most = rng.random((read, made)) < 0.1
    weights[most] = rng.choice([-64, 64], int(most.sum()))
    weights[::2, 0], weights[1::2, 0] = 127, 1
    weights[::2, 1], weights[1::2, 1] = -1, -127
    return weights


@pytest.fixture(scope="module")
def product(instructions: str) -> Iterator[Callable[..., None]]:
    """The function of ``Int8Kernels.product``, to be called with addresses and numbers."""
    kernels = kernels_of(instructions)
    made = kernels.product()
    f = kernels.function("between", [argument.type for argument in made.args])
    kernels.begin(f)
    f.call(made, f.arguments)
    kernels.end(f)
    f.ret_void()
    engine = _compiled._built(made.module, _compiled._machine())
    place, number = ctypes.c_void_p, ctypes.c_int64
    counts = [number] * len(kernels.kinds)
    takes = (place, place, number, number, place, *counts, place, place, place)
    function = ctypes.CFUNCTYPE(None, *takes, *[ctypes.c_float] * 2)
    yield function(engine.get_function_address("between"))
    engine.close()


@pytest.mark.parametrize("read", [3, 27, 60, 116])
@pytest.mark.parametrize("made", [8, 24, 58, 130])
@pytest.mark.parametrize("pixels", [1, 11, 49])
def test_products_are_exact(
    product: Callable[..., None], instructions: str, read: int, made: int, pixels: int
) -> None:
    kernels = kernels_of(instructions)
    weights = bounded_weights(read, made)
    assert fits(weights.T)
    if instructions != "AVX2":  # with VNNI they need not fit
        weights[:, 2::5] = np.sign(weights[:, 2::5]) * 127
    panels = kernels.panels(made)
    bytes_read = np.random.default_rng(pixels).integers(0, 256, (pixels, read), np.uint8)
    bytes_read[0] = 255
    sums = bytes_read.astype(np.int64) @ weights
    scale = (100 / np.abs(sums).max(0, initial=1)).astype(np.float32)
    bias = np.linspace(100, 156, made, dtype=np.float32)
    pitch, made_pitch = read + 5, sum(panels) + 3  # whatever lies between changes nothing
    values = aligned(pixels * pitch + 64, np.uint8)
    values[: pixels * pitch] = np.pad(bytes_read, [(0, 0), (0, 5)], constant_values=200).ravel()
    results = aligned(pixels * made_pitch + 64, np.uint8)
    blocks = [
        values,
        np.arange(pixels, dtype=np.int32) * pitch,
        kernels.packed(weights, panels),
        kernels.ends(scale, bias, panels),
        results,
        np.arange(pixels, dtype=np.int32) * made_pitch,
    ]
    where, table, packed, ends, goal, places = (block.ctypes.data for block in blocks)
    counts = kernels.counts(panels)
    steps = kernels.steps(read)
    product(where, table, pixels, steps, packed, *counts, ends, goal, places, 110.0, 150.0)
    found = results[: pixels * made_pitch].reshape(pixels, -1)
    exact = (sums * scale.astype(np.float64) + bias).clip(110, 150)
    assert np.abs(found[:, :made] - exact).max() < 0.501
    assert not found[:, sum(panels) :].any()
    assert not results[pixels * made_pitch :].any()


@pytest.mark.parametrize("images", [1, 20])
def test_logits_of_many_classes_stand_in_order(instructions: str, images: int) -> None:
    module, memory, classes, read, pitch = ir.Module(), Memory(np.uint8), 300, 37, 48
    kernels = _compiled._INT8_KERNELS[instructions](module)
    rng = np.random.default_rng(0)
    layer = Linear(
        made="logits",
        reads=(),
        weight=bounded_weights(read, classes).T,
        bias=rng.normal(0, 1, classes).astype(np.float32),
        scale=rng.uniform(1e-4, 1e-3, classes).astype(np.float32),
    )
    _compiled._write_logits(module, kernels, memory, pitch, layer)
    engine = _compiled._built(module, _compiled._machine())
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)
    features = aligned(images * pitch + 64, np.uint8)
    features[:] = rng.integers(0, 256, len(features))
    made = np.empty(
        (images, kernels.class_panels(classes) * CLASSES_AT_ONCE * kernels.columns), np.float32
    )
    blocks = features, memory.constants(), memory.tables(), made
    compute = kind(engine.get_function_address("logits"))
    compute(*(block.ctypes.data for block in blocks), images)
    engine.close()
    values = features[: images * pitch].reshape(images, pitch)[:, :read].astype(np.int64)
    assert layer.scale is not None
    exact = values @ layer.weight.T.astype(np.int64) * layer.scale.astype(np.float64) + layer.bias
    assert np.abs(made[:, :classes] - exact).max() < 1e-4


def panels_of(packed: npt.NDArray[np.int32], steps: int, width: int) -> list[npt.NDArray[np.int8]]:
    """Take packed weights apart again: of each panel its pairs of steps, ``(pairs, 2, out, 4)``."""
    head = -(-(steps + 1) // 16) * 16
    found = []
    for panel in packed.reshape(-1, head + steps * width):
        pairs, order = int(panel[0]), panel[1 : steps + 1]
        assert sorted(order.tolist()) == list(range(0, STEP * steps, STEP))
        weights = panel[head:].copy().view(np.int8).reshape(steps, width, STEP)
        found.append(weights[: 2 * pairs].reshape(pairs, 2, width, STEP))
    return found


def test_only_what_fits_in_16_bits_is_added_there() -> None:
    packed = PairKernels(ir.Module()).packed(bounded_weights(232, 48), [16] * 3)
    panels = panels_of(packed, 58, 16)
    assert sum(len(pairs) for pairs in panels[1:]) > 40  # of 58: it is worth the trouble
    for pairs in panels:
        # Of each pair of steps, the sums of 16 bits are of weights 0 and 1, and of 2 and 3.
        together = pairs.astype(int).reshape(len(pairs), 2, 16, 2, 2)
        for sign in (1, -1):
            assert ((sign * together).clip(0).sum((1, 4)) <= 128).all()


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
    elif kind == "a convolution in float":
        conv = [node for node in nodes if node.op_type == "Conv"][2]
        dequantised = next(node for node in nodes if node.output[0] == conv.input[1])
        codes = numpy_helper.to_array(constants[dequantised.input[0]])
        real = numpy_helper.from_array(codes.astype(np.float32), "real")
        model.graph.initializer.append(real)
        conv.input[1] = "real"
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
    onnx.save(model, path)
    return path


def put(constant: onnx.TensorProto, values: npt.NDArray[np.generic]) -> None:
    constant.CopyFrom(numpy_helper.from_array(values, constant.name))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("a scale of its own after a Split", "QuantizeLinear"),
        ("read before it is rounded", "Conv"),
        ("a convolution in float", "Conv"),
        ("bytes taken for numbers", "Split"),
        ("scales of the inputs", "DequantizeLinear"),
        ("large sums", "scales too far apart"),
        ("no number", "scales too far apart"),
        ("negative", "scales too far apart"),
    ],
)
def test_files_that_mean_something_else_are_refused(
    int8_file: Path, kind: str, told: str, tmp_path: Path
) -> None:
    path = changed(int8_file, tmp_path / "changed.onnx", kind)
    with pytest.raises(CheckpointError, match=f"{told}.*--runtime onnxruntime"):
        LlvmClassifier(path)


def test_weights_of_full_range_need_vnni(
    int8_file: Path, instructions: str, tmp_path: Path
) -> None:
    path = changed(int8_file, tmp_path / "full.onnx", "weights of full range")
    if instructions != "AVX2":
        classifier = LlvmClassifier(path)
        images = prepared(classifier, 4, 32)
        (expected,) = session(onnx.load(path)).run(None, {"images": images})
        assert np.abs(classifier.logits(images) - expected).max() <= 0.02 * np.abs(expected).max()
        return
    with pytest.raises(CheckpointError, match="full range.*VNNI.*--runtime onnxruntime"):
        LlvmClassifier(path)


def test_a_processor_without_avx2_is_told(int8_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compiled, "_instructions", lambda: "")
    with pytest.raises(CheckpointError, match="AVX2.*--runtime onnxruntime"):
        LlvmClassifier(int8_file)
