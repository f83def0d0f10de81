"""Networks of other images than RGB squares: every file computes what the network does, of a file.

One network for each kind of image, with random weights. A picture is written to a file, becomes
pixels by the network's own ``Preprocess``, and is computed by everything that is installed.
"""

import ctypes
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import shufflenet
from conftest import card_for, with_seeded_weights
from made_once import made_once
from quantizing import QUICK
from shufflenet import errors
from shufflenet.compile import compile_network
from shufflenet.data import open_images
from shufflenet.export import ExportOptions, export_onnx, export_onnx_file
from shufflenet.networks import build
from shufflenet.preprocess import Pixels, normalize
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import Classifier, load_picture, open_by, verify_file
from shufflenet.spec import FORMATS, INT8_TOLERANCE, RUNTIMES, Format, Preprocess, Stage, V2Spec
from tolerance import FLOAT32_RELATIVE

RNG = np.random.default_rng
PLAIN = Preprocess(resize_px=36, crop_px=32)


@dataclass(frozen=True)
class Kind:
    """A kind of image: how it is preprocessed, and the mode in which Pillow writes its files."""

    how: Preprocess
    mode: str


KINDS = {
    "gray": Kind(replace(PLAIN, channels="gray", mean=(0.45,), std=(0.2,)), "L"),
    "rgba": Kind(
        replace(
            PLAIN,
            resize_px=32,
            channels="rgba",
            mean=(0.4, 0.5, 0.6, 0.5),
            std=(0.2, 0.3, 0.25, 0.4),
            fit="pad",
        ),
        "RGBA",
    ),
    "wide": Kind(replace(PLAIN, crop_px=(32, 64), channels="bgr"), "RGB"),
    "gray16": Kind(
        replace(
            PLAIN,
            resize_px=32,
            channels="gray",
            bits=16,
            mean=(0.45,),
            std=(0.2,),
            fit="squash",
        ),
        "I;16",
    ),
}


def spec_of(kind: Kind) -> V2Spec:
    stages = tuple(Stage(channels=c, repeats=1) for c in (16, 24))
    return V2Spec(
        name="narrow",
        stages=stages,
        stem_channels=8,
        head_channels=24,
        classes=5,
        in_channels=kind.how.in_channels,
    )


@cache
def network(name: str) -> torch.nn.Module:
    """Random weights, and the statistics of noise, so that no layer is dead."""
    net = with_seeded_weights(build(spec_of(KINDS[name])))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    noise = RNG(1).standard_normal((32, net.spec.in_channels, 32, 32), np.float32)
    net.train()(torch.from_numpy(noise))
    return net.eval()


# Each kind is a group of its own, so that workers share the kinds.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, marks=pytest.mark.xdist_group(f"channels {each}")) for each in KINDS
    ],
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def kind(name: str) -> Kind:
    return KINDS[name]


@pytest.fixture(scope="module")
def onnx(name: str, kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as ONNX."""
    path = tmp_path_factory.mktemp(name) / "float.onnx"

    def make() -> bytes:
        card = replace(card_for(spec_of(kind)), preprocess=kind.how)
        export_onnx(network(name), card, path)
        return path.read_bytes()

    path.write_bytes(made_once(("channels", name), make))
    return path


def picture(kind: Kind, seed: int) -> Image.Image:
    """A picture of 50 by 70 px whose values change every few pixels."""
    channels = 1 if kind.how.in_channels == 1 else len(kind.mode)
    dtype = np.uint16 if kind.mode == "I;16" else np.uint8
    coarse = RNG(seed).integers(0, np.iinfo(dtype).max, (10, 14, channels), dtype)
    fine = coarse.repeat(5, axis=0).repeat(5, axis=1)
    return Image.fromarray(fine[..., 0] if channels == 1 else fine)


@pytest.fixture(scope="module")
def file(name: str, kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, as a file."""
    path = tmp_path_factory.mktemp("pictures") / f"{name}.png"
    picture(kind, 0).save(path)
    return path


@pytest.fixture(scope="module")
def pixels(file: Path, kind: Kind) -> Pixels:
    """What the network takes of the picture."""
    loaded = load_picture(file, kind.how)
    assert not isinstance(loaded, errors.ImageError)
    assert loaded.shape == (*kind.how.size_px, kind.how.in_channels)
    return loaded[None]


@pytest.fixture(scope="module")
def expected(name: str, kind: Kind, pixels: Pixels) -> npt.NDArray[np.float32]:
    """The logits of the picture, by the network itself."""
    with torch.inference_mode():
        logits: torch.Tensor = network(name)(torch.from_numpy(normalize(pixels, kind.how)))
    return logits.numpy()


def check(
    classifier: Classifier,
    pixels: Pixels,
    expected: npt.NDArray[np.float32],
    tolerance: float = FLOAT32_RELATIVE,
) -> None:
    """Compare the logits of pixels, and of what they are as prepared images."""
    allowed = tolerance * max(1, np.abs(expected).max())
    assert np.abs(classifier.logits_from_pixels(pixels) - expected).max() <= allowed
    prepared = normalize(pixels, classifier.card.preprocess)
    assert np.abs(classifier.logits(prepared) - expected).max() <= allowed


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "llvm"])
def test_every_runtime_computes_the_file_of_a_picture(
    runtime: str, onnx: Path, file: Path, pixels: Pixels, expected: npt.NDArray[np.float32]
) -> None:
    pytest.importorskip(RUNTIMES[runtime].package)
    model = shufflenet.open_model(onnx, runtime=runtime, threads=1)
    check(model, pixels, expected)
    [answers] = model.classify(file, k=1)
    assert answers[0].index == expected[0].argmax()


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_every_format_computes_the_same(
    form: Format,
    onnx: Path,
    kind: Kind,
    pixels: Pixels,
    expected: npt.NDArray[np.float32],
    tmp_path: Path,
) -> None:
    for package in (form.package, RUNTIMES[form.runtime].package):
        pytest.importorskip(package)
    path = tmp_path / f"net{form.suffix}"
    done = export_onnx_file(onnx, path, ExportOptions(precision="float32"))
    assert done.max_abs_difference <= done.tolerance
    classifier = open_by(RUNTIMES[form.runtime], path)
    assert classifier.card.preprocess == kind.how
    check(classifier, pixels, expected, form.tolerances["float32"])
    assert verify_file(path).agrees


def test_an_int8_file_of_it_takes_bytes_where_pixels_are_bytes(
    onnx: Path, kind: Kind, pixels: Pixels, tmp_path: Path
) -> None:
    for number in range(20):
        folder = tmp_path / "photos" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        picture(kind, number).save(folder / f"{number}.png")
    images = open_images(tmp_path / "photos")
    normalized, by_bytes = tmp_path / "normalized.onnx", tmp_path / "bytes.onnx"
    quantize_onnx(onnx, images, normalized, QUICK)
    paths = [normalized]
    if kind.how.bits == 8:
        quantize_onnx(onnx, images, by_bytes, replace(QUICK, pixels=True))
        paths.append(by_bytes)
    else:
        with pytest.raises(errors.SpecError, match="of 16 bits', but must be left out: the file"):
            quantize_onnx(onnx, images, by_bytes, replace(QUICK, pixels=True))
    for path in paths:
        exact = open_by(RUNTIMES["onnxruntime"], path)
        logits = exact.logits_from_pixels(pixels)
        for runtime in ("openvino", "llvm"):
            if path is by_bytes and runtime == "llvm":  # which reads none of bytes
                continue
            pytest.importorskip(RUNTIMES[runtime].package)
            check(open_by(RUNTIMES[runtime], path), pixels, logits, INT8_TOLERANCE)
        assert verify_file(path).agrees
        for form in map(FORMATS.__getitem__, ("litert", "coreml", "ncnn")):
            pytest.importorskip(form.package)
            other = tmp_path / path.stem / f"net{form.suffix}"
            other.parent.mkdir(exist_ok=True)
            export_onnx_file(path, other)
            check(open_by(RUNTIMES[form.runtime], other), pixels, logits, INT8_TOLERANCE)


def test_a_compiled_library_computes_the_same(
    onnx: Path,
    kind: Kind,
    file: Path,
    pixels: Pixels,
    expected: npt.NDArray[np.float32],
    tmp_path: Path,
) -> None:
    pytest.importorskip("ziglang")
    path = tmp_path / "net.so"
    made = compile_network(onnx, path)
    assert made.max_abs_difference is not None
    assert made.image_px == kind.how.size_px
    model = shufflenet.open_model(path, threads=1)
    check(model, pixels, expected)
    assert verify_file(path).agrees
    [answers] = model.classify(file, k=5)
    header = path.with_suffix(".h").read_text("utf-8")
    takes_photos = kind.mode in ("L", "RGB")
    assert ("shufflenet_classify(" in header) == takes_photos
    assert ("shufflenet_logits(" in header) == (kind.how.bits == 8)
    if takes_photos:
        by_index = {each.index: each.probability for each in answers}
        found = _classified(path, made.memory_bytes, np.asarray(Image.open(file)))
        assert np.abs(found - [by_index[index] for index in range(5)]).max() < 1e-5


def _classified(path: Path, memory_bytes: int, photo: npt.NDArray[np.uint8]) -> np.ndarray:
    """Probabilities that a library computes of a photo by itself."""
    library = ctypes.CDLL(str(path))
    block = np.zeros(memory_bytes + 64, np.uint8)
    memory = ctypes.c_void_p(block.ctypes.data + -block.ctypes.data % 64)
    assert library.shufflenet_prepare(memory, ctypes.c_size_t(memory_bytes)) == 0
    probabilities = np.zeros(5, np.float32)
    height, width = photo.shape[:2]
    code = library.shufflenet_classify(
        memory,
        ctypes.c_void_p(photo.ctypes.data),
        width,
        height,
        ctypes.c_ssize_t(photo.strides[0]),
        photo.strides[1],
        ctypes.c_void_p(probabilities.ctypes.data),
    )
    assert code == 0
    return probabilities


def test_a_page_is_made_where_it_can_make_the_images_of_photos(
    onnx: Path, kind: Kind, tmp_path: Path
) -> None:
    if kind.mode in ("L", "RGB"):
        return  # tests/test_compile_web_page.py
    pytest.importorskip("ziglang")
    told = "takes pixels of 16 bits" if kind.how.bits == 16 else "takes images of 4 channels"
    with pytest.raises(errors.NotForPages, match=f"{told}, which a page cannot make of photos"):
        compile_network(onnx, tmp_path / "page", "web")
    assert not (tmp_path / "page").exists()


def test_a_rectangle_may_be_asked_for(onnx: Path, tmp_path: Path) -> None:
    """Of any network: its card then states the height and the width."""
    path = tmp_path / "net.onnx"
    export_onnx_file(onnx, path, ExportOptions(image_px=(48, 80)))
    classifier = open_by(RUNTIMES["onnxruntime"], path)
    assert classifier.card.preprocess.crop_px == (48, 80)
    assert verify_file(path).agrees
