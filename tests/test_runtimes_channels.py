"""Images of other channels, bits and shapes, from a file to an answer, by every runtime."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import quantizing
from conftest import Run, with_seeded_weights
from quantizing import CLASSES
from shufflenet import open_embedder
from shufflenet.data import open_images
from shufflenet.errors import ImageError, SpecError
from shufflenet.export import export_onnx
from shufflenet.networks import ShuffleNet, build
from shufflenet.preprocess import decode_as, normalize, prepare
from shufflenet.runtimes import (
    Classifier,
    LlvmClassifier,
    Model,
    OnnxClassifier,
    OpenVinoClassifier,
    run_batches,
)
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.score._scorer import check_photos  # its sentence, without a cluster
from shufflenet.serve import Served
from shufflenet.serve.kserve._signature import sign  # what /v2 tells of a model
from shufflenet.spec import Card, Label, Origin, Preprocess


def like(
    channels: str, count: int, crop_px: int | tuple[int, int] = 32, **more: object
) -> Preprocess:
    """A preprocessing of such images."""
    shorter = crop_px if isinstance(crop_px, int) else min(crop_px)
    fields: dict[str, Any] = {
        "resize_px": shorter, "crop_px": crop_px, "channels": channels,
        "mean": tuple(0.3 + 0.01 * at for at in range(count)), "std": (0.25,) * count,
    }  # fmt: skip
    return Preprocess(**fields | more)


KINDS = {
    "gray": like("gray", 1),
    "opacity": like("rgba", 4, (32, 48), fit="pad"),
    "16 bits": like("gray", 1, bits=16, fit="squash"),
    "rectangle": like("bgr", 3, (48, 32), resize_px=40),
    "bands": like("stored", 5, bits=16),
}


class Opened(Protocol):
    def __call__(self, path: Path, net: ShuffleNet, card: Card) -> Classifier: ...


def by_llvm(path: Path, net: ShuffleNet, card: Card) -> Classifier:
    pytest.importorskip("llvmlite")
    return LlvmClassifier(path, threads=1)


def by_openvino(path: Path, net: ShuffleNet, card: Card) -> Classifier:
    pytest.importorskip("openvino")
    return OpenVinoClassifier(path, threads=1)


RUNTIMES: dict[str, Opened] = {
    "onnxruntime": lambda path, net, card: OnnxClassifier(path, threads=1),
    "torch": lambda path, net, card: TorchClassifier(net, card),
    "llvm": by_llvm,
    "openvino": by_openvino,
}


@pytest.fixture(scope="module", params=KINDS)
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ShuffleNet, Card]:
    """A network for a kind of images: its file, itself, its card."""
    how = KINDS[request.param]
    spec = replace(quantizing._two_stages(), in_channels=how.in_channels)
    net = with_seeded_weights(build(spec)).eval()
    labels = tuple(Label(name, name) for name in CLASSES)
    origin = Origin(data="none", licence="none")
    card = Card(name="kind", network=net.spec, preprocess=how, labels=labels, origin=origin)
    path = tmp_path_factory.mktemp("kinds") / "kind.onnx"
    export_onnx(net, card, path)
    return path, net, card


def noise(how: Preprocess, *shape: int) -> npt.NDArray[Any]:
    values = np.random.default_rng(3).integers(0, how.max_value + 1, (*shape, how.in_channels))
    return values.astype(f"u{how.bits // 8}")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_pixels_are_what_normalizing_makes_of_them(
    runtime: str, kind: tuple[Path, ShuffleNet, Card]
) -> None:
    path, net, card = kind
    if runtime == "llvm" and card.preprocess not in (KINDS["gray"], KINDS["bands"]):
        pytest.skip("compiling takes long; these two are a byte for a pixel, and floats")
    pixels = noise(card.preprocess, 3, *card.preprocess.size_px)
    batch = normalize(pixels, card.preprocess)
    with torch.inference_mode():
        expected = net(torch.from_numpy(batch)).numpy()
    classifier = RUNTIMES[runtime](path, net, card)
    found = classifier.logits_from_pixels(pixels)
    for logits in (found, classifier.logits(batch)):
        np.testing.assert_allclose(logits, expected, atol=2e-4 * np.abs(expected).max())


def test_other_pixels_are_refused(kind: tuple[Path, ShuffleNet, Card]) -> None:
    path, _, card = kind
    how, model = card.preprocess, OnnxClassifier(path, threads=1)
    count, kind_of = how.in_channels, f"uint{how.bits}"
    expected = f"but must be {kind_of} of shape (n, height, width, {count})."
    good = noise(how, 1, *how.size_px)
    wrong: list[npt.NDArray[Any]] = [
        good[..., :0], good[0], good.astype(np.int32), np.concatenate([good, good], -1),
        good.astype(np.uint16 if how.bits == 8 else np.uint8),
    ]  # fmt: skip
    for pixels in wrong:
        with pytest.raises(SpecError) as caught:
            model.logits_from_pixels(pixels)
        assert str(caught.value) == f"the pixels is '{pixels.dtype} {pixels.shape}', {expected}"


def stored(folder: Path, how: Preprocess, name: str = "a") -> Path:
    """Write an image that has the channels and bits of a preprocessing."""
    values = noise(how, 40, 50)
    if how.channels == "stored":
        tifffile = pytest.importorskip("tifffile")
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
        return path
    path = folder / f"{name}.png"
    Image.fromarray(values[..., 0] if how.in_channels == 1 else values).save(path)
    return path


def test_files_images_and_arrays_are_answered_alike(
    kind: tuple[Path, ShuffleNet, Card], tmp_path: Path
) -> None:
    path, _, card = kind
    how, model = card.preprocess, Model(OnnxClassifier(path, threads=1))
    file, array = stored(tmp_path, how), noise(how, 40, 50)
    np.testing.assert_array_equal(np.asarray(decode_as(file, how)), array)
    logits = model.logits(prepare(file, how)[None])
    given: list[Any] = [file, str(file), file.read_bytes(), array]
    if how.channels != "stored":
        given.append(Image.open(file))
    answers = model.classify(given, k=3)
    for answer in answers:
        assert [each.index for each in answer] == np.argsort(-logits[0]).tolist()
        assert answer == answers[0]
    assert model.classify(np.stack([array, array]), k=3) == [answers[0]] * 2


def test_sets_are_evaluated_and_other_images_are_named(
    kind: tuple[Path, ShuffleNet, Card], tmp_path: Path
) -> None:
    path, _, card = kind
    how, classifier = card.preprocess, OnnxClassifier(path, threads=1)
    for name in CLASSES:
        (tmp_path / name).mkdir()
        stored(tmp_path / name, how)
    if how.channels == "stored":
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / CLASSES[0] / "gray.png")
    images = open_images(tmp_path)
    rows = list(run_batches(classifier.logits_from_pixels, card, images.samples, batch=2))
    errors = [str(row) for _, row in rows if isinstance(row, ImageError)]
    assert [row.shape for _, row in rows if not isinstance(row, ImageError)] == [(3,)] * 3
    if how.channels == "stored":
        assert len(errors) == 1
        expected = "gray.png' as an image: it has 1 channel, and the network takes 5."
        assert errors[0].endswith(expected)
    else:
        assert not errors


def test_embeddings_are_of_the_same_pixels(kind: tuple[Path, ShuffleNet, Card]) -> None:
    path, _, card = kind
    embedder = open_embedder(path, threads=1)
    pixels = noise(card.preprocess, 2, *card.preprocess.size_px)
    np.testing.assert_allclose(
        embedder.embed_from_pixels(pixels),
        embedder.embed(normalize(pixels, card.preprocess)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_service_tells_the_form_of_pixels(kind: tuple[Path, ShuffleNet, Card]) -> None:
    path, _, card = kind
    how = card.preprocess
    inputs = sign(Served("kind", Model(OnnxClassifier(path, threads=1)), None)).inputs
    assert inputs["images"].shape == (-1, how.in_channels, *how.size_px)
    assert inputs["pixels"].shape == (-1, *how.size_px, how.in_channels)
    assert inputs["pixels"].datatype == f"UINT{how.bits}"
    assert inputs["files"].datatype == "BYTES"


def test_predict_and_show_name_the_kind(
    kind: tuple[Path, ShuffleNet, Card], tmp_path: Path, run: Run
) -> None:
    path, _, card = kind
    file = stored(tmp_path, card.preprocess)
    model = ("--model", str(path), "--runtime", "onnxruntime")
    code, out, _ = run("predict", str(file), *model, "--json")
    assert code == 0
    (line,) = out.splitlines()
    assert len(json.loads(line)["predictions"]) == 3
    code, out, _ = run("show", str(path))
    assert code == 0
    text = " ".join(out.split())
    words = {
        "gray": ["gray, rotated", "32 px cropped"],
        "opacity": [
            "RGBA, rotated",
            "resized to lie inside 48x32 px",
            "padded with the mean color",
        ],
        "16 bits": ["gray of 16 bits, rotated", "both sides resized to 32 px"],
        "rectangle": ["BGR, rotated", "resized to cover 40x60 px", "center 32x48 px cropped"],
        "bands": ["5 channels of 16 bits, rotated"],
    }
    name = next(name for name, how in KINDS.items() if how == card.preprocess)
    assert all(each in text for each in words[name]), text


SHOWN = {
    "gray": "32 px, gray",
    "opacity": "48x32 px, rgba",
    "16 bits": "32 px, gray of 16 bits",
    "rectangle": "32x48 px",
    "bands": "32 px, 5 channels of 16 bits",
}


def test_a_model_says_what_it_sees(kind: tuple[Path, ShuffleNet, Card]) -> None:
    name = next(name for name, how in KINDS.items() if how == kind[2].preprocess)
    shown = repr(Model(OnnxClassifier(kind[0], threads=1)))
    assert shown == f"<Model kind: 3 classes, {SHOWN[name]}, OnnxClassifier>"


def test_a_network_of_other_channels_than_its_preprocessing_takes_no_photos() -> None:
    spec = replace(quantizing._two_stages(), in_channels=5)
    labels = tuple(Label(name, name) for name in CLASSES)
    origin = Origin(data="none", licence="none")
    card = Card(name="n", network=spec, preprocess=like("gray", 1), labels=labels, origin=origin)
    assert not card.takes_pixels
    with pytest.raises(SpecError) as caught:
        next(run_batches(lambda pixels: np.zeros((1, 3), np.float32), card, ["a.png"], batch=1))
    expected = "in_channels is 5, but must be 1 to classify photos; use logits() instead."
    assert str(caught.value) == expected
    with pytest.raises(SpecError, match=r"in_channels is 5, but must be 1 to score photos\."):
        check_photos(card)
