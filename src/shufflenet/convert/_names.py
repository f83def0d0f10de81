"""The names that other projects give to tensors: from our name to theirs, for any width."""

import re
from collections.abc import Callable
from typing import TypeAlias

from shufflenet.spec import NetworkSpec, V2PlusSpec

__all__ = [
    "Naming",
    "detnas",
    "ericsun",
    "exlarge",
    "large",
    "megvii_v1",
    "megvii_v2",
    "mmpretrain_v1",
    "mmpretrain_v2",
    "onnx_v1",
    "paddle",
    "torchvision",
]

Naming: TypeAlias = Callable[[str, NetworkSpec], str]


def _unit(name: str) -> tuple[int, int, str] | None:
    """Split ``stage3.2.branch2.0.weight`` into 3, 2 and ``branch2.0.weight``."""
    match = re.fullmatch(r"stage(\d+)\.(\d+)\.(.*)", name)
    return (int(match[1]), int(match[2]), match[3]) if match else None


def _rename(name: str, *rules: tuple[str, str]) -> str:
    """Apply the first rule, a regular expression and its replacement, that the name starts with."""
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub(f"^{pattern}", replacement, name)
    return name


def _number(spec: NetworkSpec, stage: int, unit: int) -> int:
    """Return the number of a unit, counted through all stages from 0."""
    return sum(s.repeats for s in spec.stages[: stage - 2]) + unit


def torchvision(name: str, _: NetworkSpec) -> str:
    """Name as torchvision 0.28, models/shufflenetv2.py: the same names as ours."""
    return name


def ericsun(name: str, spec: NetworkSpec) -> str:
    """Name as ericsun99/Shufflenet-v2-Pytorch at 7f198bd, ShuffleNetV2.py."""
    if parts := _unit(name):
        stage, unit, rest = parts
        return f"features.{_number(spec, stage, unit)}.{rest.replace('branch', 'banch')}"
    return _rename(name, ("conv5", "conv_last"), ("fc", "classifier.0"))


_CONV_BN = {0: "conv", 1: "bn"}
# Positions in a branch of V2 (torchvision): which pair of convolution and norm, and which of both.
_BRANCH1 = {0: (0, 0), 1: (0, 1), 2: (1, 0), 3: (1, 1)}
_BRANCH2 = {0: (0, 0), 1: (0, 1), 3: (1, 0), 4: (1, 1), 5: (2, 0), 6: (2, 1)}


def _pair(rest: str) -> tuple[str, int, int, str]:
    """Split ``branch2.3.weight`` into branch, number of the convolution, 1 for its norm, field."""
    branch, position, field = rest.split(".")
    pair, part = (_BRANCH1 if branch == "branch1" else _BRANCH2)[int(position)]
    return branch, pair, part, field


def mmpretrain_v2(name: str, spec: NetworkSpec) -> str:
    """Name as mmpretrain at ee7f2e88, models/backbones/shufflenet_v2.py."""
    if parts := _unit(name):
        stage, unit, rest = parts
        branch, pair, part, field = _pair(rest)
        return f"backbone.layers.{stage - 2}.{unit}.{branch}.{pair}.{_CONV_BN[part]}.{field}"
    return _mmpretrain_stem_and_head(name, f"backbone.layers.{len(spec.stages)}")


def _mmpretrain_stem_and_head(name: str, head: str) -> str:
    return _rename(
        name,
        (r"conv1\.0", "backbone.conv1.conv"),
        (r"conv1\.1", "backbone.conv1.bn"),
        (r"conv5\.0", f"{head}.conv"),
        (r"conv5\.1", f"{head}.bn"),
        ("fc", "head.fc"),
    )


_MMPRETRAIN_V1 = {
    "pw1": "g_conv_1x1_compress",
    "dw": "depthwise_conv3x3_bn",
    "pw2": "g_conv_1x1_expand",
}


def mmpretrain_v1(name: str, _: NetworkSpec) -> str:
    """Name as mmpretrain at ee7f2e88, models/backbones/shufflenet_v1.py."""
    if parts := _unit(name):
        stage, unit, rest = parts
        part, position, field = rest.split(".")
        which = f"{_MMPRETRAIN_V1[part]}.{_CONV_BN[int(position)]}"
        return f"backbone.layers.{stage - 2}.{unit}.{which}.{field}"
    return _mmpretrain_stem_and_head(name, "")


_PADDLE_FIELDS = {
    "weight": "weight",
    "bias": "bias",
    "running_mean": "_mean",
    "running_var": "_variance",
}
_PADDLE_FIRST = {"branch1": ("dw_1", "linear_1"), "branch2": ("pw_2", "dw_2", "linear_2")}
_PADDLE_OTHERS = ("pw", "dw", "linear")


def paddle(conv: str, norm: str) -> Naming:
    """Return the naming of PaddleClas, or of paddle.vision, which calls the same parts 0 and 1.

    Source: PaddleClas at d178931f, ppcls/arch/backbone/model_zoo/shufflenet_v2.py; paddle 3.3.1,
    paddle/vision/models/shufflenetv2.py
    """

    def naming(name: str, _: NetworkSpec) -> str:
        field = _PADDLE_FIELDS[name.rsplit(".", 1)[1]]
        if name.startswith("fc."):
            return f"_fc.{field}"
        if parts := _unit(name):
            stage, unit, rest = parts
            branch, pair, part, _field = _pair(rest)
            layer = (_PADDLE_OTHERS if unit else _PADDLE_FIRST[branch])[pair]
            return f"{stage}_{unit + 1}._conv_{layer}.{norm if part else conv}.{field}"
        prefix = {"conv1": "_conv1", "conv5": "_last_conv"}[name.split(".")[0]]
        return f"{prefix}.{norm if name.split('.')[1] == '1' else conv}.{field}"

    return naming


def megvii_v1(name: str, spec: NetworkSpec) -> str:
    """Name as ShuffleNet-Series at aa91feb, ShuffleNetV1/network.py and blocks.py."""
    if parts := _unit(name):
        stage, unit, rest = parts
        part, position, field = rest.split(".")
        branch, offset = {"pw1": (1, 0), "dw": (1, 3), "pw2": (2, 0)}[part]
        prefix = f"features.{_number(spec, stage, unit)}.branch_main_{branch}"
        return f"{prefix}.{int(position) + offset}.{field}"
    return _rename(name, ("conv1", "first_conv"), ("fc", "classifier.0"))


def megvii_v2(name: str, spec: NetworkSpec) -> str:
    """Name as ShuffleNet-Series at aa91feb, ShuffleNetV2, ShuffleNetV2+ and OneShot."""
    if parts := _unit(name):
        stage, unit, rest = parts
        rest = _rename(rest, ("branch1", "branch_proj"), ("branch2", "branch_main"))
        return f"features.{_number(spec, stage, unit)}.{_excite(rest)}"
    return _excite(
        _rename(
            name,
            ("conv1", "first_conv"),
            ("conv5", "conv_last"),
            (r"neck\.excite", "LastSE"),
            (r"neck\.hidden", "fc.0"),
            ("fc", "classifier.0"),
        )
    )


def _excite(name: str) -> str:
    """Number squeeze and excitation as Megvii does, which counts the pooling as layer 0."""
    return re.sub(r"\.squeeze\.(\d+)", lambda match: f".SE_opr.{int(match[1]) + 1}", name)


def detnas(name: str, spec: NetworkSpec) -> str:
    """Name as ShuffleNet-Series at aa91feb, DetNAS/network.py and blocks.py.

    Raises:
        TypeError: the network is not a searched one.
    """
    if not isinstance(spec, V2PlusSpec):
        raise TypeError("DetNAS is searched")
    if parts := _unit(name):
        stage, unit, rest = parts
        kind = spec.stages[stage - 2].kinds[unit]
        letter = chr(ord("a") + unit)
        prefix = f"features.{_number(spec, stage, unit)}"
        branch, position, field = rest.split(".")
        if branch == "branch1":
            layer = f"interstellar{stage - 1}{letter}_proj"
            tail = {
                0: f"{layer}_s",
                1: f"{layer}_s_bn",
                2: layer,
                3: f"bn{stage - 1}{letter}_proj",
            }
            return f"{prefix}.proj_conv.{tail[int(position)]}.{field}"
        block = (
            f"{stage - 1}{letter}_xception_3x3"
            if kind == "xception"
            else (f"{stage - 1}{letter}_shufflenet_{kind}")
        )
        return f"{prefix}.conv.{_detnas_layer(block, kind == 'xception', int(position))}.{field}"
    return _rename(
        name,
        (r"conv1\.0", "first_conv.conv"),
        (r"conv1\.1", "first_conv.bn"),
        (r"conv5\.0", "last_conv.conv"),
        (r"conv5\.1", "last_conv.bn"),
        ("fc", "fc.fc"),
    )


def _detnas_layer(block: str, xception: bool, position: int) -> str:
    """Return DetNAS's name of a layer by its position in our branch.

    There are three groups (xception) or two, named ``branch2a`` and so on. Each has a depthwise
    convolution ``_s`` with its norm ``_s_bn`` and a 1x1 convolution with its norm; the first of two
    has no depthwise part.
    """
    group, place = divmod(position, 5) if xception else divmod(position + 2, 5)
    layer = f"interstellar{block}_branch2{'abc'[group]}"
    norm = f"bn{block}_branch2{'abc'[group]}"
    return f"{group}." + (f"{layer}_s", f"{layer}_s_bn", layer, norm)[place]


def _conv_bn(rest: str, width: int = 3) -> str:
    """Name a convolution or norm as Megvii's later code does: groups of ``width`` layers."""
    position, field = rest.split(".")
    return f"{int(position) // width}.{_CONV_BN[int(position) % width]}.{field}"


def large(name: str, _: NetworkSpec) -> str:
    """Name as ShuffleNet-Series at aa91feb, ShuffleNetV2.Large/network.py."""
    if parts := _unit(name):
        stage, unit, rest = parts
        part, rest = rest.split(".", 1)
        prefix = f"features.{stage - 2}.{stage}{chr(ord('a') + unit)}"
        if part in ("branch1", "down"):
            return f"{prefix}.{'proj' if part == 'branch1' else part}.{_conv_bn(rest)[2:]}"
        return f"{prefix}.{_large_branch2(rest, {0: 0, 3: 1, 6: 2}, 8, '')}"
    if name.startswith("conv1."):
        return f"first_conv.{_conv_bn(name.removeprefix('conv1.'))}"
    return _rename(name, (r"conv5\.0", "conv_last.conv"), (r"conv5\.1", "conv_last.bn"))


def _large_branch2(rest: str, convs: dict[int, int], squeeze: int, inner: str) -> str:
    position, rest = rest.split(".", 1)
    if int(position) == squeeze:
        _, at, field = rest.split(".")
        return f"se_fc{1 if at == '0' else 2}.{inner}{field}"
    number = int(position)
    conv = number if number in convs else number - 1
    return f"branch_main.{convs[conv]}.{_CONV_BN[number - conv]}.{rest}"


def exlarge(name: str, spec: NetworkSpec) -> str:
    """Name as ShuffleNet-Series at aa91feb, ShuffleNetV2.ExLarge/network.py."""
    if parts := _unit(name):
        stage, unit, rest = parts
        prefix = f"features.{stage - 2}.{unit}"
        if unit == spec.stages[stage - 2].repeats:
            return f"{prefix}.{_conv_bn(rest)[2:]}"
        part, rest = rest.split(".", 1)
        if part == "branch1":
            return f"{prefix}.proj.{_conv_bn(rest)[2:]}"
        return f"{prefix}.{_large_branch2(rest, {0: 0, 3: 1, 6: 2, 8: 3}, 10, 'fc.')}"
    if name.startswith("conv1."):
        return f"first_conv.{_conv_bn(name.removeprefix('conv1.'))}"
    return _rename(name, ("fc", "fc.fc"))


_CAFFE2_FIELDS = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def onnx_v1(name: str, spec: NetworkSpec) -> str:
    """Name as Caffe2 did in the ONNX zoo's graph: onnx 1.23, backend/test/data/light."""
    field = _CAFFE2_FIELDS[name.rsplit(".", 1)[1]]
    if name.startswith("fc."):
        return f"gpu_0/pred_{'w' if name == 'fc.weight' else 'b'}_0"
    if parts := _unit(name):
        stage, unit, rest = parts
        part, position, _ = rest.split(".")
        number = _number(spec, stage, unit)
        names = {
            "pw1": f"gconv1_{2 * number}",
            "dw": f"gconv3_{number}",
            "pw2": f"gconv1_{2 * number + 1}",
        }
        layer = names[part]
    else:
        layer, position = "conv3_0", name.split(".")[1]
    return f"gpu_0/{layer}_w_0" if position == "0" else f"gpu_0/{layer}_bn_{field}_0"
