"""Core ML packages: what a program states of a network, computed again by ONNX Runtime."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from packages import activations, card_of, of_int8, with_card
from random_graphs import random_model
from shufflenet.errors import SpecError
from shufflenet.export import Exported, ExportOptions, export_onnx_file
from shufflenet.files.mlpackage import ImageInput, Model, TensorType, read_package
from shufflenet.graph import load_onnx, read_program
from shufflenet.preprocess import normalize
from shufflenet.runtimes import OnnxClassifier, open_by, verify_file
from shufflenet.runtimes._coreml_graph import to_onnx  # every value, not logits alone
from shufflenet.spec import RUNTIMES, Card, Label, Precision
from tolerance import FLOAT32_RELATIVE

RNG = np.random.default_rng
PROGRAM = RUNTIMES["coreml-program"]
SEEDS = range(6)


def export(
    source: Path, *, precision: Precision | None = None, size: tuple[int, int] | None = None
) -> tuple[Path, Exported]:
    path = source.with_suffix(".mlpackage")
    return path, export_onnx_file(source, path, ExportOptions(precision=precision, image_px=size))


def program(path: Path) -> Model:
    return read_package(path).model()


def values(model: Model, image: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every value of a program for an image ``(1, c, h, w)``."""
    names = [
        name
        for each in model.operations
        if each.kind not in ("const", "constexpr_affine_dequantize", "classify")
        for name, _ in each.outputs
    ]
    session = onnxruntime.InferenceSession(to_onnx(model, tuple(names)))
    return dict(zip(names, session.run(names, {model.input.name: image}), strict=True))


def photos(count: int = 3, side: int = 32) -> np.ndarray:
    return RNG(count).integers(0, 256, (count, side, side, 3), np.uint8)


# --- float networks ---


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_computes_its_network(seed: int, tmp_path: Path) -> None:
    source = with_card(random_model(seed), tmp_path / "a.onnx")
    path, exported = export(source, precision="float32")
    expected = OnnxClassifier(source).logits_from_pixels(photos())
    computed = open_by(PROGRAM, path).logits_from_pixels(photos())
    assert np.abs(computed - expected).max() <= FLOAT32_RELATIVE * max(1, np.abs(expected).max())
    assert exported.files == (str(path),)
    assert exported.bytes == sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_every_operation_is_written(precision: Precision, tmp_path: Path) -> None:
    path, exported = export(with_card(activations(), tmp_path / "a.onnx"), precision=precision)
    kinds = {each.kind for each in program(path).operations}
    assert kinds >= {"sigmoid", "sigmoid_hard", "mul", "relu", "reduce_mean", "transpose"}
    limit = FLOAT32_RELATIVE if precision == "float32" else 3e-3
    assert exported.max_abs_difference <= limit * max(1, exported.max_abs_logit)


@pytest.mark.parametrize("seed", SEEDS)
def test_stated_types_are_those_of_the_values(seed: int, tmp_path: Path) -> None:
    """Core ML's compiler infers types too, and refuses programs that state others."""
    model = random_model(seed) if seed else activations()
    path, _ = export(with_card(model, tmp_path / "a.onnx"))
    written = program(path)
    computed = values(written, photos(1).transpose(0, 3, 1, 2).astype(np.float32))
    stated = dict(pair for each in written.operations for pair in each.outputs)
    halves = 0
    for name, value in computed.items():
        kind = stated[name]
        assert isinstance(kind, TensorType), name
        assert kind.shape == value.shape, name
        if kind.dtype == "float16":
            assert np.array_equal(value, value.astype(np.float16)), name
            halves += 1
    assert halves > 3


def test_weights_are_rounded_to_float16_unless_float32_is_asked_for(tmp_path: Path) -> None:
    source = with_card(random_model(1), tmp_path / "a.onnx")
    of_network = read_program(load_onnx(source), 1, (32, 32))
    first = of_network.constants[of_network.nodes[0].inputs[1]]
    sizes = {}
    asked: dict[type, Precision | None] = {np.float16: None, np.float32: "float32"}
    for dtype, precision in asked.items():
        path, exported = export(source, precision=precision)
        conv = next(each for each in program(path).operations if each.kind == "conv")
        (name,) = conv.inputs["weight"]
        stored = constants(program(path))[name]
        assert stored.dtype == dtype
        assert np.array_equal(stored, first.astype(dtype))
        sizes[dtype] = exported.precision, program(path).version, program(path).opset
    expected = (6, "CoreML5")  # iOS 15, macOS 12
    assert sizes == {np.float16: ("float16", *expected), np.float32: ("float32", *expected)}


def constants(model: Model) -> dict[str, np.ndarray]:
    found = {each.output: each.attributes.get("val") for each in model.operations}
    return {name: each for name, each in found.items() if isinstance(each, np.ndarray)}


# --- int8 networks ---


@pytest.mark.parametrize("seed", range(4))
def test_codes_and_scales_are_those_of_the_int8_file(seed: int, tmp_path: Path) -> None:
    source = of_int8(random_model(seed), tmp_path / "a.onnx")
    of_network = read_program(load_onnx(source), 1, (32, 32))
    path, exported = export(source)
    stored = [
        each.attributes
        for each in program(path).operations
        if each.kind == "constexpr_affine_dequantize"
    ]
    weights = [n.inputs[1] for n in of_network.nodes if n.inputs[1:] and n.op in ("Conv", "Gemm")]
    assert len(stored) == len(weights) > 1
    for attributes, name in zip(stored, weights, strict=True):
        assert np.array_equal(attributes["quantized_data"], of_network.constants[name])
        scale = np.asarray(of_network.scales[name], np.float16)
        assert np.array_equal(attributes["scale"], scale)
        assert not np.any(attributes["zero_point"])
    assert (exported.precision, program(path).version) == ("int8", 7)  # iOS 16, macOS 13


def test_values_stay_in_the_ranges_that_were_calibrated(tmp_path: Path) -> None:
    """A range that begins at 0 is also how an int8 network says that a ReLU follows."""
    source = of_int8(random_model(1), tmp_path / "a.onnx")
    of_network = read_program(load_onnx(source), 1, (32, 32))
    params = of_network.params
    ranges = [
        params[node.output].range
        for node in of_network.nodes
        if node.output in params and params.get(node.inputs[0]) != params[node.output]
    ]
    assert 0.0 in {low for low, _ in ranges}
    model = program(export(source)[0])
    clips = [each.inputs for each in model.operations if each.kind == "clip"]
    found = constants(model)
    stated = [tuple(float(found[clip[each][0]]) for each in ("alpha", "beta")) for clip in clips]
    assert stated == [tuple(float(np.float16(each)) for each in limits) for limits in ranges]


# --- what people and apps read ---


def test_the_input_is_an_image_and_the_results_a_label_probabilities_and_logits(
    tmp_path: Path,
) -> None:
    model = program(export(with_card(random_model(2), tmp_path / "a.onnx"))[0])
    assert model.input == ImageInput(
        "image", 32, 32, "rgb", "An RGB image, resized and cropped to 32x32 px."
    )
    assert [each.name for each in model.results] == ["classLabel", "classLabelProbs", "logits"]
    classify = model.operations[-1]
    assert classify.literals == {"classes": tuple(f"name {i}" for i in range(5))}
    what, who, licence = model.about
    assert (who, licence) == ("shufflenet", "none")
    assert what.startswith("test: shufflenet_v2_x0_25, 5 classes")
    assert model.metadata["com.apple.coreml.model.preview.type"] == "imageClassifier"
    assert Card.from_json(model.metadata["shufflenet"]) == card_of()
    assert len(json.loads(model.metadata["shufflenet.check"])) == 5


def test_labels_that_several_classes_share_are_told_apart(tmp_path: Path) -> None:
    names = (("a", "crane"), ("b", "crane"), ("c", ""), ("d", "ox"), ("d", "ox"))
    card = replace(card_of(), labels=tuple(Label(*each) for each in names))
    model = program(export(with_card(random_model(2), tmp_path / "a.onnx", card))[0])
    labels = model.operations[-1].literals["classes"]
    assert labels == ("crane (a)", "crane (b)", "c", "ox (d) (3)", "ox (d) (4)")


def test_an_image_is_scaled_as_preprocessing_scales_it(tmp_path: Path) -> None:
    card = card_of()
    how = replace(card.preprocess, channels="bgr", value_range=255, mean=(103, 116, 123))
    source = with_card(random_model(3), tmp_path / "a.onnx", replace(card, preprocess=how))
    model = program(export(source)[0])
    assert isinstance(model.input, ImageInput)
    assert model.input.colors == "bgr"
    computed = values(model, photos(1)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32))
    assert np.allclose(computed["add_1"], normalize(photos(1), how), rtol=1e-6)


def test_a_mean_image_is_subtracted_first(tmp_path: Path) -> None:
    card = card_of(image_px=224)
    how = replace(card.preprocess, mean_image="megvii-imagenet-224", channels="bgr")
    source = with_card(random_model(3), tmp_path / "a.onnx", replace(card, preprocess=how))
    path, _ = export(source, precision="float32")
    images = photos(1, 224)
    expected = OnnxClassifier(source).logits_from_pixels(images)
    opened = open_by(PROGRAM, path)
    near = FLOAT32_RELATIVE * max(1, np.abs(expected).max())
    assert np.abs(opened.logits_from_pixels(images) - expected).max() <= near
    assert np.abs(opened.logits(normalize(images, how)) - expected).max() <= near
    with pytest.raises(SpecError, match="224"):
        export(source, size=(224, 192))


def test_a_network_of_other_channels_reads_an_array(tmp_path: Path) -> None:
    card = card_of()
    card = replace(card, network=replace(card.network, in_channels=5))
    source = with_card(activations(channels=5), tmp_path / "a.onnx", card)
    path, _ = export(source, precision="float32")
    assert program(path).input.shape == (1, 5, 32, 32)
    batch = RNG(0).standard_normal((2, 5, 32, 32), np.float32)
    expected = OnnxClassifier(source).logits(batch)
    assert np.allclose(open_by(PROGRAM, path).logits(batch), expected, atol=1e-4)


def test_images_of_another_size_than_the_cards(tmp_path: Path) -> None:
    source = with_card(random_model(4), tmp_path / "a.onnx")
    path, _ = export(source, precision="float32", size=(40, 56))
    assert program(path).input.shape == (1, 3, 40, 56)
    pixels = RNG(0).integers(0, 256, (2, 40, 56, 3), np.uint8)
    opened, expected = open_by(PROGRAM, path), OnnxClassifier(source).logits_from_pixels(pixels)
    assert np.allclose(opened.logits_from_pixels(pixels), expected, atol=1e-4)
    with pytest.raises(SpecError, match="32x32 px.*, but must be 56x40 px"):
        opened.logits_from_pixels(photos())


def test_the_same_network_makes_the_same_bytes(tmp_path: Path) -> None:
    contents = [
        read_package(export(with_card(random_model(2), tmp_path / name / "a.onnx"))[0]).contents
        for name in ("one", "two")
    ]
    assert contents[0] == contents[1]


# --- as Apple's own tools read it ---

LOADS = """
import sys
sys.modules["torch"] = None  # seconds that only coremltools' converter needs
from coremltools.models import MLModel
from coremltools.converters.mil.frontend.milproto.load import load
from coremltools.converters.mil.mil import types
for path in sys.argv[1:]:
    model = MLModel(path, skip_model_load=True)
    spec = model.get_spec()
    version = spec.specificationVersion
    program = load(spec, specification_version=version, file_weights_dir=model.weights_dir)
    program.validate()
    function = spec.mlProgram.functions["main"]
    stated = {
        output.name: tuple(each.constant.size for each in output.type.tensorType.dimensions)
        for operation in function.block_specializations[function.opset].operations
        for output in operation.outputs
    }
    for operation in program.functions["main"].operations:
        for each in operation.outputs:
            if types.is_tensor(each.sym_type) and each.name in stated:
                assert tuple(each.shape) == stated[each.name], each.name
    image = spec.description.input[0].type.imageType
    colors = image.ColorSpace.Name(image.colorSpace)
    print(spec.WhichOneof("Type"), spec.description.predictedFeatureName, colors)
"""


def test_coremltools_reads_packages_and_infers_the_same_shapes(tmp_path: Path) -> None:
    if not find_spec("coremltools"):  # whose import takes seconds
        pytest.skip("coremltools is not installed")
    how = replace(card_of().preprocess, channels="gray", mean=(0.5,), std=(0.2,))
    network = replace(card_of().network, in_channels=1)
    gray = replace(card_of(), preprocess=how, network=network)
    sources = [
        with_card(activations(channels=1), tmp_path / "gray.onnx", gray),
        with_card(activations(), tmp_path / "a.onnx"),
        with_card(random_model(1), tmp_path / "b.onnx"),
        of_int8(random_model(2), tmp_path / "c.onnx"),
    ]
    paths = [str(export(source)[0]) for source in sources]
    manifest = (Path(paths[0]) / "Manifest.json").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", LOADS, *paths], capture_output=True, text=True, check=False
    )
    expected = [f"mlProgram classLabel {colors}" for colors in ("GRAYSCALE", *["RGB"] * 3)]
    assert done.stdout.splitlines() == expected, done.stderr
    assert all(verify_file(path).agrees for path in paths)  # coremltools wrote the manifests anew
    assert (Path(paths[0]) / "Manifest.json").read_bytes() == manifest


def test_a_model_is_loaded_without_coremltools_and_torch(tmp_path: Path) -> None:
    path, _ = export(with_card(random_model(1), tmp_path / "a.onnx"))
    code = (
        "import sys; sys.modules |= dict.fromkeys(('coremltools', 'torch', 'onnx'));"
        "import shufflenet; print(shufflenet.open_model(sys.argv[1], runtime='coreml-program'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
    )
    assert "5 classes, 32 px, PackageClassifier" in done.stdout, done.stderr
