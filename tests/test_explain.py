"""Heat maps held to the logits that they explain, and their pictures to where things lie."""

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import SPECS, calmed, card_for, saved, take_away, with_seeded_weights
from exported import THIN, export
from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from resealed import save_resealed
from shufflenet.errors import MissingDependency, NeedsGradients, SpecError
from shufflenet.explain import Explainer, open_explainer, overlay
from shufflenet.explain._colors import color  # what the picture is made of
from shufflenet.explain._gradients import GradientExplainer  # which open_explainer chooses
from shufflenet.explain._place import cell_px  # likewise
from shufflenet.explain._spread import spread  # likewise
from shufflenet.networks import ShuffleNet, build
from shufflenet.preprocess import normalize
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import OnnxClassifier, open_embedder
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.zoo import SHIPPED
from tolerance import FLOAT32_RELATIVE

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
# The mean of the maps rounded to one of 256 steps, times the weights of a class; and the logits of
# the published file are rounded too: 0.03 of the largest logit was seen.
INT8_RELATIVE = 0.06
POOLED = ("shufflenet_v1_g3_x0_5_megvii", "shufflenet_v2_x0_25", "shufflenet_v2_large")
WITH_NECK = "shufflenet_v2_plus_small"


def images(count: int, side: int = 32) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3), np.uint8)


@cache
def network(name: str) -> ShuffleNet:
    stages = SPECS[name].stages[:2]
    spec = replace(SPECS[name], classes=5, stages=stages)  # type: ignore[arg-type]  # of its kind
    return calmed(with_seeded_weights(build(spec))).eval()


def every_class(images: int, classes: int) -> npt.NDArray[np.int64]:
    return np.arange(classes)[None].repeat(images, axis=0)


def off(explainer: Explainer, bias: Array, logits: Array, pixels: Pixels) -> float:
    """Return how far means of maps are off the logits, in parts of the largest."""
    maps = explainer.maps(pixels, every_class(*logits.shape))
    assert maps.dtype == np.float32
    assert maps.shape[:2] == logits.shape
    return float(np.abs(maps.mean(axis=(2, 3)) + bias - logits).max() / np.abs(logits).max())


@pytest.mark.parametrize("name", POOLED)
def test_the_mean_of_a_map_is_the_logit_less_the_bias(name: str, tmp_path: Path) -> None:
    net, pixels = network(name), images(3)
    explainer = open_explainer(saved(net, tmp_path / "net.safetensors"))
    assert explainer.evidence == "activation"
    classifier = TorchClassifier(net, card_for(net.spec))
    logits, bias = classifier.logits_from_pixels(pixels), classifier.last_layer().bias
    assert off(explainer, bias, logits, pixels) <= FLOAT32_RELATIVE


def test_so_it_is_without_torch_in_exported_files(tmp_path: Path) -> None:
    path = export(THIN, tmp_path / "thin.onnx")
    explainer, pixels = open_explainer(path, threads=1), images(3)
    assert explainer.evidence == "activation"
    logits = OnnxClassifier(path, threads=1).logits_from_pixels(pixels)
    bias = open_embedder(path).last_layer().bias
    assert off(explainer, bias, logits, pixels) <= FLOAT32_RELATIVE


def test_so_it_is_in_the_model_that_ships() -> None:
    assert SHIPPED.onnx
    explainer, pixels = open_explainer(SHIPPED.onnx, threads=1), images(2, side=80)
    logits = OnnxClassifier(SHIPPED.onnx, threads=1).logits_from_pixels(pixels)
    bias = open_embedder(SHIPPED.onnx).last_layer().bias
    assert off(explainer, bias, logits, pixels) <= FLOAT32_RELATIVE


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_so_it_is_in_int8_to_the_rounding_of_the_mean(takes_bytes: bool, tmp_path: Path) -> None:
    source, path = write_float_file(tmp_path), tmp_path / "int8.onnx"
    patterns = written(tmp_path / "patterns", pictures(60), CLASSES)
    quantize_onnx(source, patterns, path, replace(QUICK, pixels=takes_bytes))
    pixels = pictures(8)
    logits = OnnxClassifier(path, threads=1).logits_from_pixels(pixels)
    bias = open_embedder(path).last_layer().bias
    assert off(open_explainer(path, threads=1), bias, logits, pixels) <= INT8_RELATIVE


def test_so_it_is_in_the_published_int8_file(real_data: Path) -> None:
    path = real_data / "published" / "shufflenet-v2-12-int8.onnx"
    if not path.exists():
        pytest.skip("the published file is not there")
    pixels = images(2, side=224)
    logits = OnnxClassifier(path, threads=1).logits_from_pixels(pixels)
    bias = open_embedder(path).last_layer().bias
    best = logits.argsort(axis=1)[:, -5:]  # those below the range of its bytes are cut off
    maps = open_explainer(path, threads=1).maps(pixels, best)
    difference = maps.mean(axis=(2, 3)) + bias[best] - np.take_along_axis(logits, best, axis=1)
    assert np.abs(difference).max() <= INT8_RELATIVE * np.abs(logits).max()


# --- by gradients ---


@pytest.mark.parametrize("name", POOLED)
def test_gradients_of_a_classifier_that_reads_the_mean_are_its_weights(
    name: str, tmp_path: Path
) -> None:
    net, pixels = network(name), images(2)
    exact = open_explainer(saved(net, tmp_path / "net.safetensors"))
    chosen = every_class(2, 5)
    by_gradients = GradientExplainer(net, card_for(net.spec)).maps(pixels, chosen)
    expected = exact.maps(pixels, chosen)
    assert np.abs(by_gradients - expected).max() <= FLOAT32_RELATIVE * np.abs(expected).max()


def test_a_network_with_hidden_layers_is_explained_by_gradients(tmp_path: Path) -> None:
    net, pixels = network(WITH_NECK), images(2)
    card = card_for(net.spec)
    explainer = open_explainer(saved(net, tmp_path / "net.safetensors"))
    assert explainer.evidence == "gradients"
    maps = explainer.maps(pixels, every_class(2, 5))
    doubled = build(net.spec).double()
    doubled.load_state_dict(net.state_dict())
    with torch.no_grad():
        features = doubled.eval().features(
            torch.from_numpy(normalize(pixels, card.preprocess)).double()
        )
        step = 1e-4
        up, down = (
            doubled.fc(doubled.neck((1 + sign * step) * features.mean(dim=(2, 3)))).numpy()
            for sign in (1, -1)
        )
    slope = (up - down) / (2 * step)
    assert np.abs(maps.mean(axis=(2, 3)) - slope).max() <= 1e-3 * np.abs(slope).max()
    logits = TorchClassifier(net, card).logits_from_pixels(pixels)
    assert np.abs(slope - logits).max() > 1e-2 * np.abs(logits).max()  # it is no linear layer


def exported_with_hidden_layers(folder: Path) -> Path:
    """Write a file whose classifier reads what a Relu computes of the mean."""
    path = export(THIN, folder / "hidden.onnx")
    model = onnx.load(path)
    last = model.graph.node.pop()
    model.graph.node.append(onnx.helper.make_node("Relu", ["mean"], ["hidden"]))
    last.input[0] = "hidden"
    model.graph.node.append(last)
    return save_resealed(model, path)


def test_an_exported_file_of_such_a_network_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NeedsGradients, match="Give the network's checkpoint"):
        open_explainer(exported_with_hidden_layers(tmp_path))


def test_without_torch_a_checkpoint_is_not_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(network(WITH_NECK), tmp_path / "net.safetensors")
    take_away("torch", monkeypatch)
    with pytest.raises(MissingDependency, match="torch"):
        open_explainer(path)


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        (np.zeros((1, 1), np.int64), "integers of shape (2, any)"),
        (np.zeros(2, np.int64), "integers of shape (2, any)"),
        (np.zeros((2, 1), np.float32), "integers of shape (2, any)"),
        (np.full((2, 1), 5), "indices from 0 to 4"),
        (np.full((2, 1), -1), "indices from 0 to 4"),
    ],
)
def test_classes_are_checked(classes: npt.NDArray[np.int64], problem: str, tmp_path: Path) -> None:
    net = network("shufflenet_v2_x0_25")
    exact = open_explainer(saved(net, tmp_path / "net.safetensors"))
    for explainer in (exact, GradientExplainer(net, card_for(net.spec))):
        with pytest.raises(SpecError) as refused:
            explainer.maps(images(2), classes)
        assert problem in str(refused.value)


def test_no_images_and_no_classes_make_no_maps(tmp_path: Path) -> None:
    explainer = open_explainer(export(THIN, tmp_path / "thin.onnx"))
    assert explainer.maps(images(0), np.zeros((0, 1), np.int64)).shape[:2] == (0, 1)
    assert explainer.maps(images(2), np.zeros((2, 0), np.int64)).shape[:2] == (2, 0)


# --- pictures ---


def lightness(colors: Array) -> npt.NDArray[np.float64]:
    """Return the luminance of sRGB colors, as IEC 61966-2-1 has it."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722], np.float64)


def test_colors_grow_lighter_in_equal_steps() -> None:
    light = np.cbrt(lightness(color(np.linspace(0, 1, 52, dtype=np.float32))))
    steps = np.diff(light)
    assert steps.min() > 0
    assert steps.max() < 3 * steps.min()
    # To those who see no red, or no green, the ends differ by lightness and by blue.
    assert light[-1] > 2.5 * light[0]


CARD = card_for(SPECS["shufflenet_v2_x1_0"], image_px=64)  # cells of 32 px


def hottest(picture: Image.Image) -> tuple[float, float]:
    """Return the middle of what is most yellow, in parts of width and height."""
    values = np.asarray(picture, np.int64)
    yellow = values[..., :2].sum(axis=2) - 2 * values[..., 2]
    rows, columns = np.nonzero(yellow >= yellow.max() - 1)
    return float(columns.mean() / picture.width), float(rows.mean() / picture.height)


def test_a_map_lies_over_what_it_is_of() -> None:
    """Of a photo twice as wide as high, the square in the middle is seen."""
    photo = Image.new("RGB", (400, 200), (128, 128, 128))
    card = replace(CARD, preprocess=replace(CARD.preprocess, resize_px=64, crop_px=64))
    heat = np.zeros((2, 2), np.float32)
    heat[1, 1] = 1
    picture = overlay(photo, heat, card)
    assert picture.size == (400, 200)
    values = np.asarray(picture, np.int64)
    assert (values[:, :100] == values[0, 0]).all()  # outside: dark and without color
    assert (values[:, 300:] == values[0, 0]).all()
    assert len(set(values[0, 0])) == 1
    assert values[0, 0, 0] < 128
    assert (values[:, 100] == 255).all()  # the line around what is seen
    assert (values[0, 150] == 255).all()
    across, down = hottest(picture)
    # The second cell is centered on pixel 32 of 64, and its value goes on to the edge.
    assert 0.5 < across < 0.75
    assert 0.5 < down < 1
    heat = np.zeros((2, 2), np.float32)
    heat[0, 0] = 1
    across, down = hottest(overlay(photo, heat, card))
    assert 0.25 < across < 0.4
    assert 0 < down < 0.3


def test_of_a_padded_photo_the_map_covers_all_that_there_is() -> None:
    photo = Image.new("RGB", (400, 200), (128, 128, 128))
    how = replace(CARD.preprocess, resize_px=64, crop_px=64, fit="pad")
    heat = np.zeros((2, 2), np.float32)
    heat[1, 0] = 1
    picture = overlay(photo, heat, replace(CARD, preprocess=how))
    colors = np.asarray(picture, np.int64)
    assert (np.ptp(colors, axis=2) > 0).all()  # no part is without color
    across, down = hottest(picture)
    assert across < 0.1
    assert down > 0.5  # from pixel 32 of 64, the middle of the photo too, to the edge


@pytest.mark.parametrize("name", [*POOLED, WITH_NECK])
def test_a_cell_is_centered_on_its_number_times_the_stride(name: str) -> None:
    """Its gradient with respect to the image is, and not on the middle of a square of a grid."""
    net = network(name)
    cell = cell_px(card_for(net.spec))
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 9 * cell, 9 * cell)))
    features = copy.deepcopy(net).double().features(image.requires_grad_())
    assert features.shape[2:] == (9, 9)
    for row, column in ((4, 4), (3, 5)):
        gradient = (
            torch.autograd.grad(features[0, :, row, column].abs().sum(), image, retain_graph=True)[
                0
            ]
            .abs()
            .sum(dim=(0, 1))
        )
        places = torch.arange(9 * cell) / cell
        down = float((gradient.sum(1) * places).sum() / gradient.sum())
        across = float((gradient.sum(0) * places).sum() / gradient.sum())
        assert abs(down - row) < 0.25
        assert abs(across - column) < 0.25


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (2000, 3), (37, 41), (4000, 4000)])
@pytest.mark.parametrize("value", [0.0, -2.0, 3.0, 3e38])
def test_any_photo_and_any_map_make_a_picture(size: tuple[int, int], value: float) -> None:
    photo = Image.new("RGB", size, (10, 200, 30))
    picture = overlay(photo, np.full((3, 3), value, np.float32), CARD, most_px=300)
    assert max(picture.size) == min(300, max(size))
    assert min(picture.size) >= 1


def test_a_map_of_another_shape_is_refused() -> None:
    with pytest.raises(SpecError, match="the heat map"):
        overlay(Image.new("RGB", (8, 8)), np.zeros((1, 2, 2), np.float32), CARD)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(-2, 8))
def test_interpolation_keeps_what_is_even_and_passes_through_cells(
    height: int, width: int, place: float
) -> None:
    even = spread(np.full((height, width), 7, np.float32), np.array([place]), np.array([place]))
    assert even == pytest.approx(7, rel=1e-5)
    heat = np.random.default_rng(0).normal(size=(height, width)).astype(np.float32)
    same = spread(heat, np.arange(height, dtype=float), np.arange(width, dtype=float))
    assert np.allclose(same, heat, atol=1e-6)
