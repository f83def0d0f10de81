"""Detectors created, started from other weights, saved and loaded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import card_for, saved, with_seeded_weights
from shufflenet.errors import CardMismatch, CheckpointMismatch, SpecError
from shufflenet.files import Checkpoint, read_card, read_checkpoint, write_checkpoint
from shufflenet.models import (
    create_backbone,
    create_detector,
    create_model,
    load_model,
    load_model_and_card,
    save,
    start_from,
)
from shufflenet.networks import Detector, ShuffleNet, build, build_detector, state_arrays
from shufflenet.recipes import preprocess_for
from shufflenet.spec import DetectorSpec
from shufflenet.zoo import NETWORKS

NAME = "shufflenet_v2_x0_25"
SMALL = DetectorSpec(neck_channels=12, bins=4, head_layers=1)


def small_detector(labels: tuple[str, ...] = ("cat", "dog")) -> Detector:
    return with_seeded_weights(create_detector(NAME, labels=labels, detector=SMALL))


def test_a_detector_comes_back_from_its_file(tmp_path: Path) -> None:
    net, path = small_detector(), tmp_path / "cats.safetensors"
    written = save(net, path, labels=["cat", "dog"], preprocess=preprocess_for(64))
    back, card = load_model_and_card(path)
    assert isinstance(back, Detector)
    assert not back.training
    assert card == written == read_card(path) == back.started_from
    assert (card.task, card.detector, card.network.classes) == ("detection", SMALL, 2)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(back(images), net.eval()(images))
    again = save(back, tmp_path / "again.safetensors", labels=card.labels)
    assert again.preprocess == card.preprocess


def test_a_detector_starts_with_the_stem_and_the_stages_of_a_classifier(tmp_path: Path) -> None:
    classifier = with_seeded_weights(create_model(NAME, num_classes=3, stem_stride=1))
    net = create_detector(
        NAME, num_classes=5, weights=saved(classifier, tmp_path / "a.safetensors")
    )
    given, taken = state_arrays(classifier), state_arrays(net)
    shared = {key for key in taken if not key.startswith(("neck.", "heads."))}
    assert shared == {key for key in given if not key.startswith(("conv5.", "fc."))}
    assert all(np.array_equal(given[key], taken[key]) for key in shared)
    assert (net.spec.stem_stride, net.spec.classes, net.detector) == (4, 5, DetectorSpec())
    assert net.started_from == card_for(classifier.spec)
    with pytest.raises(
        SpecError, match="preprocess is None, but must be given, since .* classifier"
    ):
        save(net, tmp_path / "b.safetensors", labels=list("abcde"))


@pytest.mark.parametrize(
    ("labels", "kept"), [(("dog", "cow", "cat"), {0: 1, 2: 0}), (("cat", "dog"), {0: 0, 1: 1})]
)
def test_known_classes_of_a_detector_keep_their_scores(
    labels: tuple[str, ...], kept: dict[int, int], tmp_path: Path
) -> None:
    source, path = small_detector(), tmp_path / "a.safetensors"
    save(source, path, labels=["cat", "dog"], preprocess=preprocess_for(64))
    net = create_detector(NAME, labels=labels, weights=path)
    given, taken = state_arrays(source), state_arrays(net)
    for key, array in taken.items():
        if ".output." not in key:
            assert np.array_equal(array, given[key]), key
            continue
        assert np.array_equal(array[len(labels) :], given[key][2:])
        found = {
            row: old
            for row in range(len(labels))
            for old in range(2)
            if np.array_equal(array[row], given[key][old])
        }
        assert found == kept, key


def test_a_detector_with_another_neck_gives_its_stages_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(small_detector(), path, labels=["cat", "dog"], preprocess=preprocess_for(64))
    source, card = load_model_and_card(path)
    net = create_detector(NAME, labels=["cat", "dog"], detector=replace(SMALL, bins=5))
    before = state_arrays(net)
    neck = before["neck.laterals.0.0.weight"].copy()
    assert start_from(net, card.labels, source, card) == 0
    after = state_arrays(net)
    assert np.array_equal(after["neck.laterals.0.0.weight"], neck)
    assert np.array_equal(after["conv1.0.weight"], state_arrays(source)["conv1.0.weight"])


def test_a_detector_takes_images_of_other_channels_than_its_start(tmp_path: Path) -> None:
    classifier = saved(create_model(NAME, num_classes=3, stem_stride=1), tmp_path / "a.safetensors")
    net = create_detector(NAME, num_classes=1, in_channels=1, weights=classifier)
    assert net.eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 21, 5)


def test_what_a_detector_cannot_be_made_of_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(small_detector(), path, labels=["cat", "dog"], preprocess=preprocess_for(64))
    with pytest.raises(SpecError, match="num_classes is None, but must be given, or labels"):
        create_detector(NAME)
    with pytest.raises(CheckpointMismatch, match="a is a shufflenet_v2_x0_25"):
        create_detector("shufflenet_v2_x0_5", num_classes=2, weights=path)
    with pytest.raises(CheckpointMismatch, match="is a detector, not a classifier"):
        create_model(NAME, weights=path)
    with pytest.raises(CheckpointMismatch, match="is a detector, not a classifier"):
        create_backbone(NAME, weights=path)
    with pytest.raises(SpecError, match="labels is 3, but must be 2"):
        save(small_detector(), path, labels=list("abc"), preprocess=preprocess_for(64))


def test_a_card_of_other_weights_is_refused(tmp_path: Path) -> None:
    detector, classifier = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    card = save(small_detector(), detector, labels=["cat", "dog"], preprocess=preprocess_for(64))
    arrays = read_checkpoint(detector).tensors
    plain = replace(card, task="classification", detector=None)
    for wrong in (plain, replace(card, detector=replace(SMALL, neck_channels=16))):
        write_checkpoint(detector, Checkpoint(wrong, arrays))
        with pytest.raises(CardMismatch, match="which it does not hold: "):
            load_model(detector)
    net = build(card.network)
    write_checkpoint(classifier, Checkpoint(card, state_arrays(net)))
    with pytest.raises(CardMismatch, match="neck"):
        load_model(classifier)
    write_checkpoint(classifier, Checkpoint(plain, state_arrays(net)))
    assert isinstance(load_model(classifier), ShuffleNet)


def test_only_stages_of_the_right_strides_carry_a_detector() -> None:
    with pytest.raises(SpecError, match=r"maps is \(4, 8, 16\), but must be"):
        build_detector(replace(NETWORKS[NAME], stem_stride=2), SMALL)
    with pytest.raises(SpecError, match=r"maps is \(2, 4, 8\), but must be"):
        replace(card_for(replace(NETWORKS[NAME], stem_stride=1)), task="detection", detector=SMALL)
