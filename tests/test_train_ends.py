"""What keeps a run from beginning, or ends it: images, losses and devices."""

import dataclasses
from pathlib import Path

import pytest
import torch

from shufflenet.data import ImageSet, open_images
from shufflenet.errors import DataError, RunError, SpecError
from shufflenet.models import create_model
from shufflenet.train import Session, train
from test_train import RECIPE, run, setup_for


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def test_data_without_one_readable_image_is_refused_before_a_run_begins(
    images: ImageSet, tmp_path: Path
) -> None:
    for sample in images.samples:
        Path(sample.path).write_bytes(b"broken")
    with pytest.raises(DataError, match="holds no image that can be read"):
        run(images, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_images_that_all_become_unreadable_end_a_run_in_a_sentence(
    workers: int, images: ImageSet, tmp_path: Path
) -> None:
    def damage(step: int, steps: int, loss: float) -> None:
        for sample in images.samples:
            Path(sample.path).write_bytes(b"broken")

    recipe = dataclasses.replace(RECIPE, epochs=4)
    with pytest.raises(DataError) as caught:
        run(images, tmp_path / "run", recipe, workers=workers, on_step=damage)
    assert str(caught.value).startswith(f"The data in {images.source!r} holds no image that can be")


def test_a_loss_that_is_no_number_stops_the_run(images: ImageSet, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, learning_rate=1e30)
    with pytest.raises(RunError, match=r"met a loss of (nan|inf) at step \d+"):
        run(images, tmp_path / "run", recipe)


def test_an_image_that_cannot_be_read_costs_a_warning(
    images: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path(images.samples[0].path).write_bytes(b"broken")
    validation = dataclasses.replace(images, samples=images.samples[1:])
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    session = Session(out=tmp_path / "run", workers=0, accelerator="cpu")
    assert train(setup_for(net, images, validation=validation), session).finished
    assert "blue/0.png" in caplog.text
    assert caplog.text.count("Another image takes its place.") == 1  # of several epochs


def test_data_that_cannot_be_trained_on_is_refused(images: ImageSet, tmp_path: Path) -> None:
    one = dataclasses.replace(
        images, classes=("red",), samples=tuple(s for s in images.samples if s.label == 0)
    )
    with pytest.raises(DataError, match="has one class, 'red'. Training needs two or more"):
        run(one, tmp_path / "a")
    partial = dataclasses.replace(images, samples=images.samples[:16])
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    session = Session(out=tmp_path / "b", workers=0)
    with pytest.raises(DataError, match="has no image of 1 of 3 classes, such as 'red'"):
        train(setup_for(net, images, validation=partial), session)
    assert not list(tmp_path.glob("?"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_accelerator_that_is_not_there_is_reported_before_a_run_begins(
    images: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(
        SpecError, match="'cuda, 1, 32-true', but must be something this machine has"
    ):
        run(images, tmp_path / "run", accelerator="cuda")
    assert not (tmp_path / "run").exists()
