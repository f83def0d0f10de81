"""What a run starts from: its network, its weights, its card."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import card_for, saved, with_seeded_weights
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import CheckpointMismatch, SpecError
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.models import create_model, load_model
from shufflenet.networks import ShuffleNet, state_arrays
from shufflenet.preprocess import draw_noise, mean_image, normalize
from shufflenet.spec import Label, Preprocess
from shufflenet.train import Job, Session, train, train_job
from shufflenet.train._job import open_setup
from shufflenet.train._normalize import Normalizer
from shufflenet.train._teacher import open_teacher
from shufflenet.zoo import WEIGHTS, find_network
from test_train import RECIPE, Killed, kill_at, setup_for


def first_batch(images: ImageSet, how: Preprocess, out: Path) -> torch.Tensor:
    """Return what the network of a run sees at its first step, ``(n, 3, h, w)``."""
    torch.manual_seed(0)
    net = create_model("shufflenet_v2_x0_25", num_classes=len(images.classes), stem_stride=1)
    seen: list[torch.Tensor] = []
    real = Normalizer.__call__

    def noted(normalize: Normalizer, images: torch.Tensor) -> torch.Tensor:
        seen.append(real(normalize, images))
        return seen[-1]

    session = Session(out=out, accelerator="cpu", workers=0, on_step=kill_at(1))
    card = dataclasses.replace(card_for(net.spec), preprocess=how)
    setup = dataclasses.replace(setup_for(net, images), card=card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Normalizer, "__call__", noted)
        with pytest.raises(Killed):
            train(setup, session)
    return seen[0]


def test_training_sees_the_colors_of_the_card(class_folders: Path, tmp_path: Path) -> None:
    images = open_images(class_folders)
    plain = Preprocess(resize_px=36, crop_px=32, value_range=255, mean=(0, 0, 0), std=(1, 1, 1))
    raw = first_batch(images, plain, tmp_path / "raw")
    assert raw.max() > 100
    blue_first = dataclasses.replace(plain, channels="bgr")
    assert torch.equal(first_batch(images, blue_first, tmp_path / "bgr"), raw.flip(1))
    usual = first_batch(images, card_for(find_network("shufflenet_v2_x0_25")).preprocess,
                        tmp_path / "usual")  # fmt: skip
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    assert torch.allclose(usual, (raw / 255 - mean) / std, atol=1e-5)


def test_fine_tuning_keeps_the_colors_of_the_weights(class_folders: Path, tmp_path: Path) -> None:
    """Megvii's take blue first, values of 0 to 255 as they are."""
    net = create_model("shufflenet_v2_x0_5_megvii", num_classes=3)
    how = WEIGHTS["shufflenet_v2_x0_5_megvii.megvii_in1k"].preprocess
    card = dataclasses.replace(card_for(net.spec), preprocess=how)
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    job = Job(data=class_folders, model=net.spec.name, weights=path)
    how = open_setup(job, RECIPE, "run").card.preprocess
    assert (how.channels, how.value_range, how.mean) == ("bgr", 255, (0, 0, 0))
    assert (how.resizer, how.crop_px) == ("pillow", 32)


WAYS = {weights.preprocess: name for name, weights in WEIGHTS.items()}
WAYS[dataclasses.replace(next(way for way in WAYS if way.mean_image), channels="rgb")] = "rgb"


@pytest.mark.parametrize("how", WAYS, ids=WAYS.values())
def test_training_normalizes_as_prediction_does(how: Preprocess) -> None:
    pixels = draw_noise(np.random.default_rng(0), how, count=2)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    assert np.array_equal(Normalizer(how)(batch).numpy(), normalize(pixels, how))


LARGE = WEIGHTS["shufflenet_v2_large.megvii_in1k"].preprocess
LARGE_MEAN = np.array(mean_image(LARGE))


def test_a_mean_image_is_resized_for_smaller_crops() -> None:
    """A gray batch less the mean image is, on average, the gray level less the image's mean."""
    batch = torch.full((1, 3, 96, 96), 100.0)
    expected = 100 - LARGE_MEAN.mean(axis=(1, 2))
    found = Normalizer(LARGE)(batch)
    assert found.shape == (1, 3, 96, 96)
    assert np.allclose(found.mean(dim=(0, 2, 3)), expected, atol=0.1)
    assert found.std() > 1  # an image was subtracted, not its mean


def test_a_teacher_sees_images_less_its_mean_image(tmp_path: Path) -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=3))
    card = dataclasses.replace(card_for(net.spec), preprocess=LARGE)
    path = tmp_path / "teacher.safetensors"
    write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    with torch.no_grad():
        expected = net(torch.from_numpy(normalize(pixels, LARGE)))
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    found = open_teacher(path, card.labels)(batch)
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("image_px", [224, 128])
def test_fine_tuning_keeps_a_mean_image_or_its_mean(
    image_px: int, class_folders: Path, tmp_path: Path
) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3)
    card = dataclasses.replace(card_for(net.spec), preprocess=LARGE)
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    recipe = dataclasses.replace(RECIPE, image_px=image_px)
    job = Job(data=class_folders, weights=path)
    how = open_setup(job, recipe, "run").card.preprocess
    if image_px == 224:
        assert (how.mean_image, how.mean) == (LARGE.mean_image, LARGE.mean)
    else:
        means = LARGE_MEAN.mean(axis=(1, 2), dtype=float)
        assert (how.mean_image, how.channels) == ("", "bgr")
        assert np.allclose(how.mean, means)  # both have blue first, and values to 255


def test_without_a_name_the_network_is_that_of_the_weights(
    class_folders: Path, tmp_path: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    setup = open_setup(Job(data=class_folders, weights=checkpoint), RECIPE, "run")
    net, card = setup.net, setup.card
    assert (net.spec.name, net.spec.classes) == ("shufflenet_v2_x0_25", 3)
    first, given = (each.get_parameter("conv1.0.weight") for each in (net, load_model(checkpoint)))
    assert torch.equal(first, given)
    assert card.origin.started_from.startswith("test: ")
    assert open_setup(Job(data=class_folders), RECIPE, "run").net.spec.name == "shufflenet_v2_x1_0"
    named = Job(data=class_folders, weights=checkpoint, model="shufflenet_v2_x0_5_megvii")
    with pytest.raises(CheckpointMismatch, match="is a shufflenet_v2_x0_25"):
        open_setup(named, RECIPE, "run")
    wider = Job(data=class_folders, weights=checkpoint, model="shufflenet_v2_x1_0")
    open_setup(wider, RECIPE, "run")
    assert "The network starts as shufflenet_v2_x0_25, which is narrower." in caplog.text
    gray = create_model("shufflenet_v2_x0_25", num_classes=3, in_channels=1)
    path = saved(gray, tmp_path / "gray.safetensors")
    with pytest.raises(SpecError, match="in_channels is 1, but must be 3, which its preproc"):
        open_setup(Job(data=class_folders, weights=path), RECIPE, "run")


def test_the_weights_to_start_from_are_read_once(
    class_folders: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = os.open

    def counted(path: str | Path, *arguments: Any, **more: Any) -> int:  # noqa: ANN401  # as os.open
        opened.append(str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", counted)
    session = Session(out=str(tmp_path / "run"), accelerator="cpu", workers=0, stop_after_s=0.0)
    result = train_job(Job(data=class_folders, weights=checkpoint), RECIPE, session)
    assert result.run == str(tmp_path / "run")
    assert opened.count(str(checkpoint)) == 1


def test_rows_of_classes_that_the_weights_know_are_kept(
    class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=2, stem_stride=1))
    labels = (Label("red", "rot"), Label("blue", "blau"))
    path = tmp_path / "a.safetensors"
    card = dataclasses.replace(card_for(net.spec), labels=labels)
    write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    tuned = open_setup(Job(data=class_folders, weights=path), RECIPE, "run").net
    assert isinstance(tuned, ShuffleNet)
    assert torch.equal(tuned.fc.weight[[2, 0]], net.fc.weight)  # blue, green, red
    assert "keeps the rows of 2 of 3 classes" in caplog.text


def test_names_that_are_no_text_are_written_byte_by_byte(class_folders: Path) -> None:
    odd = class_folders.with_name(os.fsdecode(b"caf\xe9"))
    try:
        class_folders.rename(odd)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system keeps no such names")
    card = open_setup(Job(data=odd, model="shufflenet_v2_x0_25"), RECIPE, odd.name).card
    assert card.name == "caf\\xe9"
    assert card.origin.data == "caf\\xe9: 21 images of 3 classes"
    assert card.to_json().encode()
