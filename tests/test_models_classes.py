"""Networks whose classes were changed: a card that is not true of one is stored nowhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from conftest import card_for, with_seeded_weights
from shufflenet.errors import CheckpointMismatch, ClassesDisagree, SpecError
from shufflenet.export import export_file
from shufflenet.export._parity import check_parity
from shufflenet.export._source import computing
from shufflenet.models import create_backbone, create_model, load_model_and_card, save
from shufflenet.networks import ShuffleNet
from shufflenet.recipes import preprocess_for
from shufflenet.runtimes import OnnxClassifier
from shufflenet.runtimes.pytorch import TorchClassifier

NAMES = ["cat", "dog"]


def swap(net: ShuffleNet) -> ShuffleNet:
    net.fc = nn.Linear(net.fc.in_features, 2)
    return net


def swap_for_layers(net: ShuffleNet) -> ShuffleNet:
    layers = nn.Sequential(nn.Dropout(), nn.Linear(net.fc.in_features, 2))
    net.fc = layers  # type: ignore[assignment]  # as users do
    return net


@pytest.mark.parametrize("change", [swap, swap_for_layers, lambda net: net.reset_classifier(2)])
def test_a_card_with_other_classes_is_exported_and_opened_nowhere(
    change: Callable[[ShuffleNet], ShuffleNet], small_net: ShuffleNet, tmp_path: Path
) -> None:
    card = card_for(small_net.spec)  # of three classes
    net = change(small_net)
    with pytest.raises(ClassesDisagree) as caught:
        export_file(net, card, tmp_path / "a.onnx")
    assert str(caught.value).startswith(
        "The network 'shufflenet_v2_x0_25' computes 2 logits, but the card has 3 labels."
    )
    if isinstance(net.fc, nn.Linear):
        with pytest.raises(ClassesDisagree, match="computes 2 logits, but the card has 3 labels"):
            TorchClassifier(net, card)
    with pytest.raises((SpecError, CheckpointMismatch)):
        save(net, tmp_path / "a.safetensors", labels=["a", "b", "c"], preprocess=card.preprocess)
    assert not list(tmp_path.iterdir())


def test_a_card_of_another_network_is_not_exported(small_net: ShuffleNet, tmp_path: Path) -> None:
    card = card_for(small_net.spec)
    other = card_for(replace(small_net.spec, stem_stride=2))
    with pytest.raises(CheckpointMismatch, match="the network is a shufflenet_v2_x0_25"):
        export_file(small_net, other, tmp_path / "a.onnx")
    small_net.conv1[0] = nn.Conv2d(1, 24, 3, padding=1, bias=False)
    with pytest.raises(SpecError, match="input channels is 1, but must be 3, as the card says"):
        export_file(small_net, card, tmp_path / "a.onnx")
    with torch.device("meta"):
        empty = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    with pytest.raises(SpecError, match="'meta', but must be one that holds weights, such as cpu"):
        export_file(empty, card, tmp_path / "a.onnx")
    with pytest.raises(SpecError, match="'meta', but must be one that holds weights, such as cpu"):
        save(empty, tmp_path / "a.safetensors", labels="xyz", preprocess=card.preprocess)
    assert not list(tmp_path.iterdir())


def test_new_classes_are_saved_with_their_labels_and_exported_with_the_card_returned(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    net = swap(small_net)
    card = save(net, tmp_path / "a.safetensors", labels=NAMES, preprocess=preprocess_for(32))
    exported = export_file(torch.compile(net), card, tmp_path / "a.onnx")  # type: ignore[arg-type]  # it gives a module
    assert exported.max_abs_difference < 1e-4 * max(exported.max_abs_logit, 1)
    opened = OnnxClassifier(tmp_path / "a.onnx")
    assert [label.id for label in opened.card.labels] == NAMES
    check_parity(net, computing(opened), card, 1e-4)
    assert load_model_and_card(tmp_path / "a.safetensors")[0].spec.classes == 2


def test_a_classifier_reset_is_new_and_the_spec_follows() -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=3)).double()
    assert net.reset_classifier(7) is net
    assert (net.spec.classes, net.fc.out_features, net.fc.weight.dtype) == (7, 7, torch.float64)
    assert not net.fc.training
    torch.manual_seed(3)
    net.reset_classifier(4)
    torch.manual_seed(3)
    assert torch.equal(net.fc.weight, nn.Linear(512, 4).double().weight)
    searched = create_model("shufflenet_v2_plus_small", num_classes=3).reset_classifier(5)
    assert "fc.bias" not in searched.state_dict()
    with pytest.raises(SpecError, match="classes is 0, but must be at least 1"):
        net.reset_classifier(0)
    assert net.fc.out_features == 4


def test_norms_of_a_backbone_keep_their_statistics_and_learn() -> None:
    net = create_backbone("shufflenet_v2_x0_25", (3,), frozen_norms=True)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    (maps,) = net.train()(torch.randn(2, 3, 64, 64))
    torch.autograd.backward(maps.square().sum())
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.freeze_norms(on=False).train()(torch.randn(2, 3, 64, 64))
    moved = net.state_dict()
    assert all(not torch.equal(moved[key], state[key]) for key in state if "running" in key)


def test_maps_are_counted_from_the_last_one_too() -> None:
    backbone = create_backbone("shufflenet_v2_x0_25", (-2, 0, -1))
    assert (backbone.out_indices, backbone.strides) == ((3, 0, 4), (32, 4, 32))
    assert create_backbone("shufflenet_v1_g3_x0_25", (-1,)).out_indices == (3,)


CHANGED: dict[str, Callable[[ShuffleNet], object]] = {
    "activation": lambda net: net.set_submodule("stage3.1.branch2.2", nn.SiLU()),
    "padding": lambda net: setattr(net.get_submodule("conv1.0"), "padding_mode", "circular"),
    "norm": lambda net: setattr(net.get_submodule("conv5.1"), "eps", 1.0),
    "hook": lambda net: net.conv5.register_forward_hook(lambda *given: given[2] * 2),
    "forward": lambda net: setattr(net.stages[0][1], "forward", lambda x: x),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_a_file_cannot_say_of_a_network_is_not_saved(
    change: str, small_net: ShuffleNet, tmp_path: Path
) -> None:
    path, how = tmp_path / "a.safetensors", preprocess_for(32)
    CHANGED[change](small_net)
    with pytest.raises(CheckpointMismatch, match="and change what it computes"):
        save(small_net, path, labels=["a", "b", "c"], preprocess=how)
    assert not path.exists()


def test_synchronized_norms_and_networks_in_training_are_saved(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    path, how, batch = tmp_path / "a.safetensors", preprocess_for(32), torch.randn(2, 3, 32, 32)
    expected = small_net(batch)
    net = nn.SyncBatchNorm.convert_sync_batchnorm(small_net.train())  # type: ignore[no-untyped-call]  # torch's
    save(net, path, labels=["a", "b", "c"], preprocess=how)
    assert torch.equal(load_model_and_card(path)[0](batch), expected)
