"""Weights under keys and behind prefixes, as training scripts save them; and averaged ones."""

import argparse
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from foreign import saved
from shufflenet.cli import main
from shufflenet.convert import Converted, convert_checkpoint, write_layout
from shufflenet.errors import CheckpointError, CheckpointMismatch
from shufflenet.models import create_model
from shufflenet.spec import Label

LABELS = [Label(name, name) for name in ("cat", "dog", "pig")]
State = dict[str, torch.Tensor]


def state(number: float) -> State:
    """Return the weights of a network whose classifier's bias is that number."""
    net = create_model("shufflenet_v2_x0_5", num_classes=3)
    torch.nn.init.constant_(net.fc.bias, number)
    return dict(net.state_dict())


RAW, AVERAGED = state(1.0), state(2.0)


def behind(prefix: str, names: State) -> State:
    return {prefix + name: tensor for name, tensor in names.items()}


def converted(value: object, folder: Path, key: str | None = None) -> Converted:
    return convert_checkpoint(saved(value, folder), labels=LABELS, key=key)


def bias(result: Converted) -> float:
    """Return which of the two sets was converted; its names and shapes must be the network's."""
    expected = {name for name in RAW if not name.endswith("num_batches_tracked")}
    assert set(result.checkpoint.tensors) == expected
    numbers = result.checkpoint.tensors["fc.bias"]
    assert (numbers == numbers[0]).all()
    return float(numbers[0])


PREFIXES = (
    "module.", "model.", "backbone.", "net.", "network.", "encoder.", "student.", "_orig_mod.",
    "module._orig_mod.", "_orig_mod.module.", "model.backbone.", "model._orig_mod.net.",
    "_forward_module.module.", "_fsdp_wrapped_module.", "anything.at.all.",
)  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_all_names_is_removed_and_told(prefix: str, tmp_path: Path) -> None:
    result = converted(behind(prefix, RAW), tmp_path)
    assert bias(result) == 1
    assert f"The names of the weights began with {prefix!r}, which was removed." in result.remarks


def test_what_wrappers_put_into_names_is_removed(tmp_path: Path) -> None:
    names = {name.replace("stage3.", "stage3._orig_mod."): each for name, each in RAW.items()}
    assert bias(converted(names, tmp_path)) == 1
    both = names | {"stage3.0.branch2.0.weight": RAW["stage3.0.branch2.0.weight"]}
    with pytest.raises(CheckpointError, match="two of its arrays have one name"):
        converted(both, tmp_path)


def test_what_lightning_saves_is_read_and_what_else_is_there_named(tmp_path: Path) -> None:
    value = {
        "epoch": 1,
        "state_dict": behind("model.", RAW) | {"criterion.weight": torch.ones(3)},
        "hyper_parameters": {"lr": 0.1},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(1.0)}},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(2)}}}],
    }
    result = converted(value, tmp_path)
    assert bias(result) == 1
    assert "Left out, since not of the network: 'criterion.weight'." in result.remarks


AVERAGES = {
    "timm": ({"state_dict": RAW, "state_dict_ema": AVERAGED, "arch": "shufflenet",
              "args": argparse.Namespace(lr=0.1), "epoch": 9}, "state_dict_ema", "state_dict"),
    "torchvision": ({"model": RAW, "model_ema": {"n_averaged": torch.tensor(9)}
                     | behind("module.", AVERAGED), "args": argparse.Namespace()},
                    "model_ema", "model"),
    "a wrapper": ({"state_dict": behind("model.", RAW) | behind("ema_model.module.", AVERAGED)},
                  "state_dict.ema_model.module", "state_dict.model"),
    "swa": ({"swa_state_dict": AVERAGED, "model_state_dict": RAW}, "swa_state_dict",
            "model_state_dict"),
    "an ordered dictionary": (OrderedDict(ema=AVERAGED, net=RAW), "ema", "net"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "averaged", "raw"), AVERAGES.values(), ids=AVERAGES)
def test_averaged_weights_are_taken_and_told(
    value: object, averaged: str, raw: str, tmp_path: Path
) -> None:
    result = converted(value, tmp_path)
    assert bias(result) == 2
    assert result.remarks[0] == (
        f"The file's averaged weights, {averaged!r}, were converted, which are those that trainings"
        f" are judged by. It also holds {raw!r}: to convert one, name it: --key {raw}."
    )
    result = converted(value, tmp_path, key=raw)
    assert bias(result) == 1
    assert result.remarks[0] == f"{raw!r} was converted, and not {averaged!r}."


def test_averaged_weights_alone_are_converted(tmp_path: Path) -> None:
    averaged = {"n_averaged": torch.tensor(9)} | behind("module.", AVERAGED)
    assert bias(converted({"model_ema": averaged}, tmp_path)) == 2
    assert bias(converted(averaged, tmp_path)) == 2
    result = converted({"ema_state_dict": averaged}, tmp_path)
    assert bias(result) == 2
    assert not any("Left out" in remark for remark in result.remarks)


def mmpretrain(names: State, folder: Path) -> State:
    """Return the weights of a network, by MMPretrain's names."""
    ours = converted(names, folder).checkpoint
    write_layout(ours, folder / "m.pth", "mmpretrain")
    return dict(torch.load(folder / "m.pth", weights_only=True)["state_dict"])


def test_mmpretrains_two_sets_are_exchanged(tmp_path: Path) -> None:
    """Its hook writes the averages where the model's own weights would be, and the other way."""
    averaged, raw = mmpretrain(AVERAGED, tmp_path), mmpretrain(RAW, tmp_path)
    ema = behind("module.", raw) | {"steps": torch.tensor(9)}
    value = {"state_dict": averaged, "ema_state_dict": ema, "meta": {"epoch": 3}}
    result = converted(value, tmp_path)
    assert bias(result) == 2
    assert "averaged weights, 'state_dict'" in result.remarks[0]
    assert bias(converted(value, tmp_path, key="ema_state_dict")) == 1


def test_of_several_sets_a_user_names_one(tmp_path: Path) -> None:
    value = {"student": behind("module.", RAW), "teacher": behind("module.", AVERAGED)}
    with pytest.raises(CheckpointError, match=r"2 sets of weights \(student, teacher\)"):
        converted(value, tmp_path)
    assert bias(converted(value, tmp_path, key="teacher")) == 2
    with pytest.raises(CheckpointError, match=r"no weights under 'pupil'\. It has these: student"):
        converted(value, tmp_path, key="pupil")
    one = {"model": RAW, "net": RAW}  # two names of one network
    assert bias(converted(one, tmp_path)) == 1


def test_the_key_is_an_option_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved({"state_dict": RAW, "state_dict_ema": AVERAGED}, tmp_path, "last.pth.tar")
    (tmp_path / "labels.txt").write_text("cat\ndog\npig\n")
    arguments = ["convert", str(path), "--labels", str(tmp_path / "labels.txt"), "--to"]
    assert main([*arguments, str(tmp_path / "a.safetensors")]) == 0
    assert "--key state_dict" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "b.safetensors"), "--key", "state_dict"]) == 0
    assert main([*arguments, str(tmp_path / "c.safetensors"), "--key", "best"]) == 1
    assert "no weights under 'best'" in capsys.readouterr().err


def without(names: State, *prefixes: str) -> State:
    return {name: tensor for name, tensor in names.items() if not name.startswith(prefixes)}


def test_a_backbone_without_its_classifier_is_refused_and_what_to_do_said(tmp_path: Path) -> None:
    told = (
        r"a backbone, 'shufflenet_v2_x0_5' without its classifier \(fc\.weight is missing\).*strict"
    )
    for names in (without(RAW, "fc."), behind("backbone.", without(RAW, "fc.")),
                  without(RAW, "fc.", "conv5.")):  # fmt: skip
        with pytest.raises(CheckpointError, match=told):
            converted(names, tmp_path)
    mm = without(mmpretrain(RAW, tmp_path), "head.")
    with pytest.raises(CheckpointError, match=r"head\.fc\.weight is missing\), which"):
        converted({"state_dict": mm}, tmp_path)


def test_a_detector_is_named_for_what_it_is(tmp_path: Path) -> None:
    """As NanoDet saves it: averages of a backbone, with a pyramid and heads."""
    names = behind("avg_model.backbone.", without(RAW, "fc.", "conv5."))
    names |= {
        "avg_model.fpn.reduce.0.weight": torch.ones(2),
        "head.gfl_cls.0.weight": torch.ones(2),
    }
    told = r"fc\.weight is missing; beside it are avg_model, head"
    with pytest.raises(CheckpointError, match=told):
        converted({"state_dict": names}, tmp_path)


def test_a_classifier_behind_a_dropout_is_taken(tmp_path: Path) -> None:
    net = create_model("shufflenet_v2_x0_5", num_classes=3)
    torch.nn.init.constant_(net.fc.bias, 1.0)
    net.fc = torch.nn.Sequential(torch.nn.Dropout(), net.fc)  # type: ignore[assignment]
    result = converted(net.state_dict(), tmp_path)
    assert bias(result) == 1
    assert result.remarks[0].startswith("'fc.1' was taken for the classifier")
    net.fc = torch.nn.Sequential(net.fc, torch.nn.ReLU(), torch.nn.Linear(3, 3))  # type: ignore[assignment]
    with pytest.raises(CheckpointMismatch):
        converted(net.state_dict(), tmp_path)


FAMILIES = {
    "module.layer1.0.conv1.weight": "a ResNet",
    "backbone.features.3.conv.0.0.weight": "a MobileNet V2",
    "features.4.block.0.0.weight": "a MobileNet V3 or an EfficientNet",
    "model.24.m.0.conv.weight": "a YOLO detector",
    "roi_heads.box_head.fc6.weight": "a detector",
    "decode_head.conv_seg.weight": "a segmenter",
    "patch_embed.proj.weight": "a vision transformer",
    "model.layers.0.self_attn.q_proj.weight": "a language model",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_of_other_families_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"no known project .* those of {FAMILIES[name]}"):
        converted({"state_dict": {name: torch.ones(2)}}, tmp_path)
