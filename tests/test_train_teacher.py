"""A teacher's logits, stored in a file: read, kept with their images, mixed, learned from."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import card_for
from shufflenet.data import ImageSet, open_images, split
from shufflenet.errors import DataError
from shufflenet.evaluate import evaluate
from shufflenet.models import create_model
from shufflenet.recipes import preprocess_for
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.train import Session, train
from shufflenet.train._batches import Crops, Shown
from shufflenet.train._mix import mix_batch
from shufflenet.train._teacher import open_teacher_logits
from test_train import RECIPE, setup_for


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def test_an_image_comes_with_its_own_logits(images: ImageSet) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (len(images), 3)).astype(np.float16)
    warned = torch.zeros(len(images), dtype=torch.bool)
    how = preprocess_for(32)
    shown = Shown(samples=images.samples, how=how, teacher_logits=logits, warned=warned)
    crops = Crops(shown, RECIPE, 0)
    for item in (0, len(images) - 1):
        pixels, label, own = crops[item]
        assert label == images.samples[item].label
        assert np.array_equal(own, logits[item].astype(np.float32))
        assert pixels.shape == (32, 32, 3)


def test_a_student_learns_stored_logits(images: ImageSet, tmp_path: Path) -> None:
    """The file takes every class for the next one; no label agrees with it."""
    labels = np.array([sample.label for sample in images.samples])
    logits = np.eye(3, dtype=np.float16)[(labels + 1) % 3] * 20
    recipe = dataclasses.replace(RECIPE, epochs=20, distillation=1.0)
    torch.manual_seed(0)
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    how = Session(out=tmp_path / "run", accelerator="cpu", workers=0)
    train(dataclasses.replace(setup_for(net, images, recipe), teacher_logits=logits), how)
    found = evaluate(TorchClassifier(net.eval(), card_for(net.spec)), images)
    assert found.top1 < len(images) / 6


def test_targets_are_mixed_as_images_are() -> None:
    recipe = dataclasses.replace(RECIPE, mixup=0.4)
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6)
    targets = torch.eye(6)
    batch = mix_batch(images, labels, recipe, 3, targets)
    assert 0 < batch.share < 1
    assert batch.targets is not None
    expected = batch.share * targets + (1 - batch.share) * targets.roll(1, 0)
    assert torch.allclose(batch.targets, expected)
    assert [part.targets.shape for part in batch.chunks(2) if part.targets is not None] == [
        (3, 6), (3, 6)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "columns", "values", "message"),
    [
        (5, 3, 0.0, r"is float32 of shape \(5, 3\)"),
        (0, 2, 0.0, "is float32 of shape"),
        (0, 3, np.nan, "holds infinities or NaN"),
    ],
)
def test_logits_of_other_images_are_refused(
    images: ImageSet, tmp_path: Path, rows: int, columns: int, values: float, message: str
) -> None:
    path = tmp_path / "logits.npy"
    np.save(path, np.full((rows or len(images), columns), values, np.float32))
    with pytest.raises(DataError, match=message):
        open_teacher_logits(path, images, images)
    path.write_bytes(b"no array")
    with pytest.raises(DataError, match="cannot be read as a .npy file"):
        open_teacher_logits(path, images, images)


def test_logits_follow_their_images_into_the_training_part(
    images: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "logits.npy"
    rows = np.repeat(np.arange(len(images), dtype=np.float32)[:, None], len(images.classes), 1)
    np.save(path, rows)
    training, _ = split(images, 0.3, 0)
    found = open_teacher_logits(path, images, training)
    assert [images.samples[int(row[0])] for row in found] == list(training.samples)
