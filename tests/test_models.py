import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import shufflenet
from conftest import card_for, saved, with_seeded_weights
from shufflenet.errors import CheckpointError, CheckpointMismatch, SpecError, UnknownName
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.models import create_model, load_model, start_from
from shufflenet.networks import ShuffleNet, state_arrays
from shufflenet.spec import Label


def test_a_network_comes_back_from_its_checkpoint(small_net: ShuffleNet, tmp_path: Path) -> None:
    images = torch.randn(2, 3, 32, 32)
    back = load_model(saved(small_net, tmp_path / "a.safetensors"))
    assert not back.training
    with torch.no_grad():
        assert torch.equal(back(images), small_net(images))


def test_a_network_is_made_for_any_classes_channels_and_stem() -> None:
    net = create_model("shufflenet_v2_x0_5", num_classes=10, in_channels=1, stem_stride=2)
    assert net.training
    assert net(torch.zeros(2, 1, 40, 40)).shape == (2, 10)
    with pytest.raises(UnknownName, match="Did you mean 'shufflenet_v2_x0_5'"):
        create_model("shufflenet_v2_x05")
    with pytest.raises(SpecError, match="classes is 0"):
        create_model("shufflenet_v2_x0_5", num_classes=0)


def test_weights_that_do_not_fit_are_refused_with_the_first_keys(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    arrays = state_arrays(small_net)
    arrays["other"] = arrays.pop("conv1.0.weight")
    arrays["fc.bias"] = np.zeros(4, np.float32)
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, Checkpoint(card_for(small_net.spec), arrays))
    with pytest.raises(CheckpointMismatch) as caught:
        load_model(path)
    assert (
        "conv1.0.weight is missing; other is not of this network; fc.bias has shape (4,), not (3,)"
        in str(caught.value)
    )


def test_fine_tuning_takes_all_but_a_classifier_of_other_classes(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    path = saved(small_net, tmp_path / "a.safetensors")
    same = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    assert start_from(same, card_for(same.spec).labels, path)
    assert torch.equal(same.fc.weight, small_net.fc.weight)
    other = create_model("shufflenet_v2_x0_25", num_classes=4, stem_stride=1)
    own = other.fc.weight.clone()
    assert not start_from(other, card_for(other.spec).labels, path)
    assert torch.equal(other.fc.weight, own)
    assert torch.equal(
        other.get_parameter("conv5.0.weight"), small_net.get_parameter("conv5.0.weight")
    )
    renamed = [Label(str(i), str(i)) for i in range(3)]
    assert not start_from(same, renamed, path)  # as many classes, but others
    with pytest.raises(CheckpointMismatch, match="is a shufflenet_v2_x0_25"):
        start_from(create_model("shufflenet_v2_x0_5_megvii"), [], path)


def test_both_runtimes_open_the_shipped_model_and_agree() -> None:
    batch = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    onnx = shufflenet.open_model()
    torch_ = shufflenet.open_model("default", runtime="torch", threads=1)
    assert onnx.card == torch_.card
    assert np.abs(onnx.logits(batch) - torch_.logits(batch)).max() < 1e-4


def test_a_file_that_a_runtime_cannot_open_is_refused(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    path = saved(small_net, tmp_path / "a.safetensors")
    assert shufflenet.open_model(path).card.name == "test"  # auto: torch
    with pytest.raises(CheckpointError, match="is not an ONNX file. Export it first"):
        shufflenet.open_model(path, runtime="onnxruntime")
    with pytest.raises(SpecError, match="runtime is 'tensorrt', but must be"):
        shufflenet.open_model(path, runtime="tensorrt")
    with pytest.raises(CheckpointError, match="is not a checkpoint that torch can load"):
        shufflenet.open_model("a.onnx", runtime="torch")
    with pytest.raises(CheckpointError, match="is not a checkpoint that torch can load"):
        load_model("a.onnx")


def test_the_arrays_of_a_network_leave_the_batch_count_out() -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25"))
    assert not any("num_batches" in key for key in state_arrays(net))
    assert dataclasses.asdict(net.spec)["name"] == "shufflenet_v2_x0_25"
