import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fakes import Reddest
from shufflenet.data import open_images, relabel
from shufflenet.evaluate import evaluate
from shufflenet.labels import class_index
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

    def logits_from_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.zeros((len(pixels), len(self.card.labels)), np.float32)


def test_equal_logits_count_as_wrong(class_folders: Path) -> None:
    labels = (*CARD.labels, *(Label(str(i), str(i)) for i in range(4)))
    network = dataclasses.replace(CARD.network, classes=7)
    card = dataclasses.replace(CARD, network=network, labels=labels)
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    assert evaluate(Constant(card), images) == Accuracy(images=24, top1=0, top5=0)


def test_logits_that_are_nan_count_as_wrong(class_folders: Path) -> None:
    class Broken(Reddest):
        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return np.full((len(batch), 3), np.nan, np.float32)

    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    assert evaluate(Broken(CARD), images).top1 == 0


def test_an_image_that_cannot_be_read_counts_as_wrong_and_is_named(
    class_folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (class_folders / "red" / "3.png").write_bytes(b"broken")
    images = relabel(open_images(class_folders), ["red", "green", "blue"], INDEX)
    assert evaluate(Reddest(CARD), images) == Accuracy(images=24, top1=23, top5=24)
    assert "red/3.png" in caplog.text
