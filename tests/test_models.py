import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import shufflenet
from conftest import calmed, card_for, saved, with_seeded_weights
from shufflenet.errors import CheckpointError, CheckpointMismatch, SpecError, UnknownName
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.models import (
    create_model,
    load_card,
    load_model,
    load_model_and_card,
    save,
    start_from,
)
from shufflenet.networks import ShuffleNet, build_with, state_arrays
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Label, Origin
from shufflenet.zoo import SHIPPED


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
    with pytest.raises(CheckpointError, match="conv1.0.weight is missing"):
        load_model(path)
    with pytest.raises(CheckpointMismatch) as caught:
        build_with(small_net.spec, arrays)
    assert (
        "conv1.0.weight is missing; other is not of this network; fc.bias has shape (4,), not (3,)"
        in str(caught.value)
    )


# --- starting from weights ---


def test_fine_tuning_takes_all_but_the_rows_of_other_classes(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    source = load_model_and_card(saved(small_net, tmp_path / "a.safetensors"))
    same = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    assert start_from(same, card_for(same.spec).labels, *source) == 3
    assert torch.equal(same.fc.weight, small_net.fc.weight)
    other = create_model("shufflenet_v2_x0_25", num_classes=4, stem_stride=1)
    own = other.fc.weight.clone()
    renamed = [Label(f"other {i}", f"id{i}") for i in range(4)]  # names do not matter
    assert start_from(other, renamed, *source) == 0
    assert torch.equal(other.fc.weight, own)
    assert torch.equal(
        other.get_parameter("conv5.0.weight"), small_net.get_parameter("conv5.0.weight")
    )
    with pytest.raises(CheckpointMismatch, match="test is a shufflenet_v2_x0_25"):
        start_from(create_model("shufflenet_v2_x0_5_megvii"), [], *source)


@pytest.mark.parametrize("labels", [["id2", "new", "id0"], ["new", "id1"], ["a", "b", "c", "id1"]])
@pytest.mark.parametrize("name", ["shufflenet_v2_x0_25", "shufflenet_v2_x1_0"])
def test_rows_of_known_classes_are_kept_in_whatever_order(
    name: str, labels: list[str], checkpoint: Path, small_net: ShuffleNet
) -> None:
    """In a wider network too, which begins by computing what the narrow one does."""
    net = create_model(name, weights=checkpoint, labels=labels)
    assert net.training
    assert (net.spec.classes, net.spec.stem_stride) == (len(labels), 1)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        found, expected = net.eval()(images), small_net(images)
    for row, label in enumerate(labels):
        if label.startswith("id"):
            known = expected[:, int(label[2:])]
            torch.testing.assert_close(found[:, row], known, rtol=1e-3, atol=1e-3)


def test_a_number_of_classes_keeps_all_rows_or_none(
    checkpoint: Path, small_net: ShuffleNet
) -> None:
    for number in (None, 3):
        net = create_model("shufflenet_v2_x0_25", weights=checkpoint, num_classes=number)
        assert torch.equal(net.fc.weight, small_net.fc.weight)
    fewer = create_model("shufflenet_v2_x0_25", weights=checkpoint, num_classes=2)
    assert not any(torch.equal(a, b) for a in fewer.fc.weight for b in small_net.fc.weight)
    first = "conv1.0.weight"
    assert torch.equal(fewer.get_parameter(first), small_net.get_parameter(first))
    with pytest.raises(SpecError, match="num_classes is 5, but must be 2, the number of labels"):
        create_model("shufflenet_v2_x0_25", num_classes=5, labels=["a", "b"])
    assert create_model("shufflenet_v2_x0_25", labels=["a", "b"]).spec.classes == 2
    with pytest.raises(CheckpointMismatch, match="test is a shufflenet_v2_x0_25"):
        create_model("shufflenet_v1_g3_x0_5", weights=checkpoint)


def test_the_default_weights_start_a_network_of_ten_classes() -> None:
    card = load_card("default")
    some = [label.id for label in card.labels[::20]]
    net = create_model("shufflenet_v2_x1_0", weights="default", labels=some)
    whole = load_model("default")
    assert isinstance(whole, ShuffleNet)
    assert torch.equal(net.fc.weight, whole.fc.weight[::20])
    assert net.started_from == whole.started_from == card
    assert create_model("shufflenet_v2_x1_0", weights="default", num_classes=10)(
        torch.zeros(2, 3, 64, 64)
    ).shape == (2, 10)


@pytest.mark.parametrize(
    "name", ["shufflenet_v2_x0_25", "shufflenet_v1_g3_x0_25", "shufflenet_v2_plus_small"]
)
def test_the_first_convolution_is_adapted_to_other_channels(name: str, tmp_path: Path) -> None:
    net = calmed(with_seeded_weights(create_model(name, num_classes=3)))
    path = saved(net, tmp_path / "a.safetensors")
    gray, six = (create_model(name, weights=path, in_channels=n).eval() for n in (1, 6))
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        expected = net(images.expand(-1, 3, -1, -1))
        scale = 1e-4 * float(expected.abs().max())
        assert torch.allclose(gray(images), expected, atol=scale)
        assert torch.allclose(six(images.expand(-1, 6, -1, -1)), expected, atol=scale)
    first, known = six.get_parameter("conv1.0.weight"), net.get_parameter("conv1.0.weight")
    assert torch.allclose(first[:, :3], known / 2)
    assert torch.allclose(first[:, 3:], known.mean(1, keepdim=True).expand(-1, 3, -1, -1) / 2)


# --- saving ---


def test_a_saved_network_is_what_its_card_says(small_net: ShuffleNet, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    small_net.fc = torch.nn.Linear(small_net.fc.in_features, 2)  # its spec says three classes
    origin = Origin(data="20 photos", licence="CC0-1.0")
    card = save(
        small_net, path, labels=["cat", "dog"], preprocess=preprocess_for(32), origin=origin
    )
    back, read = load_model_and_card(path)
    assert read == card
    assert (card.name, card.network.classes) == ("mine", 2)
    assert card.labels == (Label("cat", "cat"), Label("dog", "dog"))
    assert (card.origin.data, card.origin.licence) == ("20 photos", "CC0-1.0")
    assert (card.origin.started_from, card.accuracy) == ("", None)
    assert card.origin.software.startswith("shufflenet ")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(back(images), small_net.eval()(images))


def test_what_a_network_started_from_is_recorded_and_its_accuracy_is_not_claimed(
    tmp_path: Path,
) -> None:
    start = load_card("default")
    net = create_model("shufflenet_v2_x1_0", weights="default", labels=["cat", "dog"])
    card = save(net, tmp_path / "mine.safetensors", labels=["cat", "dog"])
    assert card.preprocess == start.preprocess
    assert card.origin.started_from.startswith(f"{start.name}: ")
    assert (card.origin.data, card.origin.licence, card.accuracy) == ("unknown", "", None)
    assert card.published is None


def test_a_card_that_would_not_be_true_is_refused(small_net: ShuffleNet, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    how = preprocess_for(32)
    with pytest.raises(SpecError, match="labels is 2, but must be 3, one for each class"):
        save(small_net, path, labels=["a", "b"], preprocess=how)
    with pytest.raises(SpecError, match="preprocess is None, but must be given, since the network"):
        save(small_net, path, labels=["a", "b", "c"])
    with pytest.raises(SpecError, match="path is .*mine.pt', but must be a name that ends in"):
        save(small_net, tmp_path / "mine.pt", labels=["a", "b", "c"], preprocess=how)
    small_net.conv5 = torch.nn.Sequential()
    with pytest.raises(CheckpointMismatch, match="conv5.0.weight is missing"):
        save(small_net, path, labels=["a", "b", "c"], preprocess=how)
    assert not list(tmp_path.iterdir())


def test_classes_with_one_identifier_are_refused_and_old_cards_with_them_are_read(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    name, how = small_net.spec.name, preprocess_for(32)
    for labels in (["a", "b", "a"], "abc"):
        with pytest.raises(SpecError, match="labels is"):
            save(small_net, tmp_path / "mine.safetensors", labels=labels, preprocess=how)
        with pytest.raises(SpecError, match="labels is"):
            create_model(name, labels=labels)
    twice = (Label("a", "a"), Label("b", "b"), Label("a", "a"))
    card = dataclasses.replace(card_for(small_net.spec), labels=twice)
    path = tmp_path / "old.safetensors"
    write_checkpoint(path, Checkpoint(card, state_arrays(small_net)))
    whole = create_model(name, weights=path)
    assert torch.equal(whole.fc.weight, small_net.fc.weight)
    torch.manual_seed(0)
    chosen = create_model(name, weights=path, labels=["a", "b"])
    assert torch.equal(chosen.fc.weight[1], small_net.fc.weight[1])
    assert not any(torch.equal(chosen.fc.weight[0], row) for row in small_net.fc.weight)


@pytest.mark.parametrize(
    "wrap", [torch.compile, torch.nn.DataParallel], ids=["compile", "parallel"]
)
def test_a_network_is_saved_as_torch_wraps_it(
    wrap: Callable[[ShuffleNet], torch.nn.Module], small_net: ShuffleNet, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    save(wrap(small_net), path, labels=["a", "b", "c"], preprocess=preprocess_for(32))
    arrays = state_arrays(load_model(path))
    assert all(np.array_equal(arrays[k], v) for k, v in state_arrays(small_net).items())


def test_what_is_no_network_or_has_no_classifier_is_not_saved(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    path, how = tmp_path / "mine.safetensors", preprocess_for(32)
    with pytest.raises(SpecError, match="the network is 'Linear', but must be one of"):
        save(torch.nn.Linear(3, 3), path, labels=["a", "b", "c"], preprocess=how)
    small_net.fc = torch.nn.Sequential(torch.nn.Dropout(), small_net.fc)  # type: ignore[assignment]  # as users do
    with pytest.raises(CheckpointMismatch, match="its classifier fc is no linear layer"):
        save(small_net, path, labels=["a", "b", "c"], preprocess=how)


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
    assert SHIPPED.onnx
    with pytest.raises(CheckpointError, match="is not a checkpoint that torch can load"):
        shufflenet.open_model(SHIPPED.onnx, runtime="torch")
    with pytest.raises(CheckpointError, match="is not a checkpoint that torch can load"):
        load_model(SHIPPED.onnx)


def test_the_arrays_of_a_network_leave_the_batch_count_out() -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25"))
    assert not any("num_batches" in key for key in state_arrays(net))
    assert dataclasses.asdict(net.spec)["name"] == "shufflenet_v2_x0_25"
