import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fakes import Reddest
from shufflenet.data import open_images, relabel
from shufflenet.errors import LogitsNotNumbers, OtherOutput
from shufflenet.evaluate import Mistake, evaluate
from shufflenet.labels import class_index
from shufflenet.preprocess import Pixels
from shufflenet.spec import Accuracy, Card, Label
from test_runtimes_model import CARD

INDEX = class_index(CARD.labels)


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_every_image_is_counted_once_whatever_the_batch(class_folders: Path, batch: int) -> None:
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    done: list[int] = []
    accuracy = evaluate(Reddest(CARD), images, batch=batch, on_progress=done.append)
    assert accuracy == Accuracy(images=24, top1=24, top5=24)
    assert sum(done) == 24


class Constant:
    """A classifier with the same logit for every image and class."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.zeros((len(batch), len(self.card.labels)), np.float32)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return np.zeros((len(pixels), len(self.card.labels)), np.float32)


def test_equal_logits_count_as_wrong(class_folders: Path) -> None:
    labels = (*CARD.labels, *(Label(str(i), str(i)) for i in range(4)))
    network = dataclasses.replace(CARD.network, classes=7)
    card = dataclasses.replace(CARD, network=network, labels=labels)
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    assert evaluate(Constant(card), images) == Accuracy(images=24, top1=0, top5=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_no_answer(class_folders: Path, value: float) -> None:
    class Broken(Reddest):
        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            rows = super().logits(batch)
            rows[-1, 0] = value
            return rows

    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    with pytest.raises(LogitsNotNumbers, match="'test' computes logits that are infinite or NaN"):
        evaluate(Broken(CARD), images)


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_logits_of_other_classes_than_the_card_names_are_no_answer(
    class_folders: Path, classes: int
) -> None:
    class Other(Reddest):
        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return np.zeros((len(batch), classes), np.float32)

    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    with pytest.raises(OtherOutput, match=r"floats of shape \(24, 3\)"):
        evaluate(Other(CARD), images)


def test_an_image_that_cannot_be_read_counts_as_wrong_and_is_named(
    class_folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (class_folders / "red" / "3.png").write_bytes(b"broken")
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    assert evaluate(Reddest(CARD), images) == Accuracy(images=24, top1=23, top5=23)
    assert "red/3.png" in caplog.text


def test_mistakes_are_told_with_the_class_predicted_instead(class_folders: Path) -> None:
    (class_folders / "red" / "3.png").write_bytes(b"")
    (class_folders / "blue" / "5.png").replace(class_folders / "green" / "5.png")
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    mistakes: list[Mistake] = []
    accuracy = evaluate(Reddest(CARD), images, on_mistake=mistakes.append)
    assert accuracy == Accuracy(images=23, top1=21, top5=22)
    blue, broken = mistakes
    assert (blue.sample.name, blue.sample.label, blue.error) == ("green/5.png", 1, None)
    assert blue.predicted
    assert (blue.predicted.index, blue.predicted.label) == (2, "blue")
    assert 0.5 < blue.predicted.probability < 1
    assert (broken.sample.name, broken.predicted) == ("red/3.png", None)
    assert broken.error


def test_of_two_equal_classes_the_other_one_is_the_mistake(class_folders: Path) -> None:
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    mistakes: list[Mistake] = []
    evaluate(Constant(CARD), images, on_mistake=mistakes.append)
    assert len(mistakes) == 24
    for mistake in mistakes:
        assert mistake.predicted
        assert mistake.predicted.index != mistake.sample.label
