"""Images drawn to calibrate on and to hold out, and what is counted on those."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import card_for
from quantizing import CLASSES, RNG, pictures, written
from shufflenet.quantize import QuantizeOptions
from shufflenet.quantize._hold_out import HoldOut
from shufflenet.quantize._split import draw_split
from shufflenet.spec import Accuracy, Card, Label
from shufflenet.zoo import NETWORKS

NO_IMAGES = np.zeros((0, 1, 1, 3), np.uint8)


def hold_out(labels: np.ndarray, reference: np.ndarray) -> HoldOut:
    return HoldOut(NO_IMAGES, labels, reference.astype(np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_correct_predictions_are_counted_as_by_sorting(seed: int) -> None:
    logits = RNG(seed).normal(size=(50, 12)).astype(np.float32)
    labels = RNG(seed + 1).integers(0, 12, 50)
    accuracy = hold_out(labels, logits).accuracy(logits)
    assert isinstance(accuracy, Accuracy)
    order = np.argsort(-logits, axis=1)
    assert accuracy.images == 50
    assert accuracy.top1 == (order[:, 0] == labels).sum()
    assert accuracy.top5 == (order[:, :5] == labels[:, None]).any(1).sum()


@pytest.mark.parametrize(
    ("row", "top1", "top5"),
    [
        ([3, 2, 1, 0, 0, 0, 0], 1, 1),
        ([3, 3, 1, 0, 0, 0, 0], 0, 1),  # a tie
        ([1, 5, 5, 5, 5, 0, 0], 0, 1),
        ([1, 5, 5, 5, 5, 1, 0], 0, 0),
        ([1, np.nan, 0, 0, 0, 0, 0], 0, 1),
        ([np.nan, 1, 1, 1, 1, 1, 1], 0, 0),
    ],
)
def test_a_tie_and_what_is_no_number_are_wrong(row: list[float], top1: int, top5: int) -> None:
    logits = np.array([row], np.float32)
    accuracy = hold_out(np.array([0]), logits).accuracy(logits)
    assert isinstance(accuracy, Accuracy)
    assert (accuracy.top1, accuracy.top5) == (top1, top5)


def test_agreement_counts_equal_predictions() -> None:
    reference = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    logits = np.array([[9, 1, 2], [3, 2, 1], [0, 0, 5]], np.float32)
    assert hold_out(np.zeros(3, int), reference).agreement(logits) == 2


def test_the_ratio_of_signal_and_noise_is_in_decibels() -> None:
    reference = RNG(0).normal(size=(30, 8))
    noise = RNG(1).normal(size=(30, 8))
    noise -= noise.mean(1, keepdims=True)
    signal = reference - reference.mean(1, keepdims=True)
    images = hold_out(np.zeros(30, int), reference)
    ratio = images.signal_to_noise_db((reference + 0.1 * noise).astype(np.float32))
    assert ratio == pytest.approx(
        20 + 10 * np.log10((signal**2).sum() / (noise**2).sum()), abs=0.01
    )
    third = images.signal_to_noise_db((reference + 0.1 / 10**0.5 * noise).astype(np.float32))
    assert third == pytest.approx(ratio + 10, abs=0.01)
    shifted = (reference + 0.1 * noise + RNG(2).normal(size=(30, 1))).astype(np.float32)
    assert images.signal_to_noise_db(shifted) == pytest.approx(ratio, abs=0.01)
    assert np.isfinite(images.signal_to_noise_db(images.reference))


def test_a_ratio_of_the_first_images_ignores_the_others() -> None:
    reference = RNG(0).normal(size=(30, 8))
    logits = (reference + RNG(1).normal(size=(30, 8))).astype(np.float32)
    few = hold_out(np.zeros(10, int), reference[:10]).signal_to_noise_db(logits[:10])
    assert hold_out(np.zeros(30, int), reference).signal_to_noise_db(logits[:10]) == few


# --- drawing ---


def card(classes: tuple[str, ...] = CLASSES) -> Card:
    network = replace(NETWORKS["shufflenet_v2_x0_25"], classes=len(classes))
    return replace(card_for(network), labels=tuple(Label(name, name) for name in classes))


def test_images_are_drawn_once_half_of_them_to_calibrate(tmp_path: Path) -> None:
    images = written(tmp_path, pictures(21), CLASSES)
    counted: list[int] = []
    split = draw_split(images, card(), QuantizeOptions(), counted.append)
    side = card().preprocess.crop_px
    assert split.calibration.shape == (10, side, side, 3)
    assert split.held_out.shape == (11, side, side, 3)
    assert sum(counted) == 21
    every = np.concatenate((split.calibration, split.held_out))
    assert len(np.unique(every.reshape(21, -1), axis=0)) == 21


@pytest.mark.parametrize(("wanted", "drawn"), [(3, 3), (100, 10), (None, 10)])
def test_as_many_are_calibrated_on_as_wished_and_half_at_most(
    wanted: int | None, drawn: int, tmp_path: Path
) -> None:
    images = written(tmp_path, pictures(20), CLASSES)
    options = QuantizeOptions(calibration_images=wanted)
    split = draw_split(images, card(), options, lambda done: None)
    assert len(split.calibration) == drawn
    assert len(split.held_out) == 20 - drawn


def test_a_seed_draws_the_same_images_and_another_others(tmp_path: Path) -> None:
    images = written(tmp_path, pictures(20), CLASSES)
    one, same, other = (
        draw_split(images, card(), QuantizeOptions(seed=seed), lambda done: None)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one.calibration, same.calibration)
    assert not np.array_equal(one.calibration, other.calibration)


def test_labels_are_the_classes_of_the_model(tmp_path: Path) -> None:
    shades = list(pictures(6))
    for number, image in enumerate(shades):
        image[...] //= 6
        image[...] += 40 * number  # the shade tells the number
    images = written(tmp_path, shades, CLASSES)  # 0 and 3 are blue, 1 and 4 green
    model = card(("red", "blue", "green"))
    split = draw_split(images, model, QuantizeOptions(), lambda done: None)
    assert split.labels is not None
    numbers = split.held_out.min((1, 2, 3)) // 40
    expected = [{0: 1, 1: 2, 2: 0}[number % 3] for number in numbers.tolist()]
    assert split.labels.tolist() == expected


def test_other_classes_have_no_labels(tmp_path: Path) -> None:
    images = written(tmp_path, pictures(6), CLASSES)
    split = draw_split(images, card(("cat", "dog", "hen")), QuantizeOptions(), lambda done: None)
    assert split.labels is None
