"""Int8 networks with layers kept in float32, as machine code: what ONNX Runtime computes."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import TensorsData

from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from random_graphs import quantized, random_model
from shufflenet.machine import host_target
from shufflenet.preprocess import normalize
from shufflenet.quantize import _search, quantize_onnx
from shufflenet.quantize._layer_noise import layer_name  # layers are kept by their names
from shufflenet.quantize._prepare import Prepared, build_int8  # likewise
from shufflenet.runtimes import INT8_AGREEMENT
from shufflenet.spec import NetworkSpec, Stage, Target, V1Spec

pytest.importorskip("llvmlite")

from shufflenet.codegen import build, check, jit
from shufflenet.errors import MapsDoNotFit
from shufflenet.graph import (
    Convolution,
    Dequantize,
    Linear,
    Network,
    Quantize,
    read_network,
)
from shufflenet.runtimes import LlvmClassifier

HOST = host_target(int8=True)
pytestmark = pytest.mark.xdist_group("codegen mixed")  # a worker makes each file once
RNG = np.random.default_rng
Floats = npt.NDArray[np.float32]

STEM, FC = "conv1.0", "fc"
UNIT = ("stage2.1.branch2.0", "stage2.1.branch2.2", "stage2.1.branch2.3")
KEPT = {
    "unit": UNIT,
    "end": ("conv5.0", FC),
    "many": (STEM, "stage2.0.branch1.0", *UNIT, "stage3.0.branch2.2", "stage3.1.branch2.3", FC),
}
V1 = V1Spec(
    name="v1",
    groups=3,
    stages=(Stage(channels=192, repeats=2), Stage(channels=240, repeats=2)),
    stem_channels=12,
    classes=3,
)
KEPT_V1 = {
    "stem and its readers": (STEM, "stage2.0.pw1.0"),
    "joined, reordered and added": ("stage2.0.pw2.0", "stage2.1.dw.0", "stage3.1.pw2.0"),
}


def quantised(folder: Path, kept: Collection[str], spec: NetworkSpec | None = None) -> Path:
    """Write an int8 file with some layers kept in float, which ``quantize`` chooses by itself."""
    photos = written(folder / "photos", pictures(20), CLASSES)

    def keep(network: Prepared, ranges: TensorsData, in_float: object = ()) -> onnx.ModelProto:
        chosen = [layer for layer in network.graph.layers if layer_name(layer) in kept]
        assert len(chosen) == len(kept)
        return build_int8(network, ranges, chosen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_search, "build_int8", keep)  # only noise would make it keep these
        quantize_onnx(write_float_file(folder, spec), photos, folder / "int8.onnx", QUICK)
    return folder / "int8.onnx"


@pytest.fixture(scope="module")
def file_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def of(name: str) -> Path:
        folder = tmp_path_factory.mktemp("mixed")
        return quantised(folder, KEPT[name]) if name in KEPT else of_v1(folder, name)

    def of_v1(folder: Path, name: str) -> Path:
        return quantised(folder, KEPT_V1[name], V1)

    return of


def answer(model: onnx.ModelProto, images: Floats) -> Floats:
    """Compute a model as it is written: rounded where it says so, in float32 between."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(None, {"images": images})
    return np.asarray(logits)


def apart(logits: Floats, expected: Floats) -> float:
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


# --- files of quantize ---


def test_layers_in_float_compute_what_the_file_means(
    file_of: Callable[[str], Path], instructions: Target
) -> None:
    path = file_of("many")
    classifier = LlvmClassifier(path, threads=1, target=instructions)
    photos = pictures(5)
    images = normalize(photos, classifier.card.preprocess)
    logits = classifier.logits(images)
    assert apart(logits, answer(onnx.load(path), images)) < 0.01
    assert np.array_equal(classifier.logits(images[:1]), logits[:1])
    assert np.array_equal(classifier.logits_from_pixels(photos), logits)


@pytest.mark.parametrize("name", ["unit", "end"])
def test_layers_side_by_side_and_the_last_ones_in_float(
    name: str, file_of: Callable[[str], Path]
) -> None:
    path = file_of(name)
    network, _ = read_network(path)
    assert weights_in_float(network) == len(KEPT[name])
    images = RNG(0).standard_normal((1, 3, 13, 40), np.float32)
    logits = jit(build(network, HOST, (3, 13, 40))).logits_of(images[0])
    assert apart(logits, answer(onnx.load(path), images)) < 0.01


def weights_in_float(network: Network) -> int:
    layers = (*network.layers, network.classifier)
    weighted = [x for x in layers if isinstance(x, Convolution | Linear)]
    return sum(x.weight.dtype == np.float32 for x in weighted)


def test_layers_in_float_are_joined_reordered_and_added(file_of: Callable[[str], Path]) -> None:
    path = file_of("joined, reordered and added")
    network, _ = read_network(path)
    images = RNG(0).standard_normal((1, 3, 72, 72), np.float32)
    logits = jit(build(network, HOST, (3, 72, 72))).logits_of(images[0])
    assert apart(logits, answer(onnx.load(path), images)) < INT8_AGREEMENT


def test_a_large_map_in_float_is_made_in_strips(file_of: Callable[[str], Path]) -> None:
    path = file_of("stem and its readers")
    network, _ = read_network(path)
    images = RNG(0).standard_normal((2, 3, 320, 352), np.float32)
    compiled_once = jit(build(network, HOST, (3, 320, 352)))
    expected = answer(onnx.load(path), images)
    first = compiled_once.logits_of(images[0])
    assert apart(first, expected[:1]) < INT8_AGREEMENT
    assert apart(compiled_once.logits_of(images[1]), expected[1:]) < INT8_AGREEMENT
    assert np.array_equal(compiled_once.logits_of(images[0]), first)  # the arena is as it was


def test_the_float_layers_of_a_unit_exchange_float32(file_of: Callable[[str], Path]) -> None:
    network, _ = read_network(file_of("unit"))
    kinds = [type(layer) for layer in network.layers]
    assert kinds.count(Quantize) == kinds.count(Dequantize) == 1
    start = kinds.index(Dequantize)
    assert kinds[start : start + 5] == [Dequantize, *[Convolution] * 3, Quantize]


# --- random graphs ---


@pytest.mark.parametrize("seed", [1, 4])
def test_random_graphs_with_every_other_layer_in_float(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    layers = [node.output[0] for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    in_float = layers[seed % 2 :: 2]
    mixed = quantized(model, tmp_path / "mixed.onnx", in_float)
    network, _ = read_network(tmp_path / "mixed.onnx")
    images = RNG(1).standard_normal((1, 3, 21, 18), np.float32)
    logits = jit(build(network, HOST, (3, 21, 18))).logits_of(images[0])
    assert apart(logits, answer(mixed, images)) < 0.1  # one byte of a map of a few channels


# --- what does not fit ---


def test_bytes_are_not_read_as_float32(file_of: Callable[[str], Path]) -> None:
    network, _ = read_network(file_of("unit"))
    check(network, HOST, (3, 32, 32))

    for kind in (Quantize, Dequantize):
        (gone,) = (x for x in network.layers if isinstance(x, kind))
        renamed = {
            each: replace(each, tensor=gone.inputs[0].tensor)
            for x in network.layers
            for each in x.inputs
            if each.tensor == gone.output
        }
        layers = [
            replace(x, inputs=tuple(renamed.get(each, each) for each in x.inputs))
            for x in network.layers
            if x is not gone
        ]
        with pytest.raises(MapsDoNotFit, match="bytes as float32"):
            check(replace(network, layers=layers), HOST, (3, 32, 32))
