"""What every project calls the parts of its networks: one map of names a layout.

A map takes the name of a tensor in our networks to its name in theirs. It holds for all widths, so
a layout is recognised by a name that no other has, and a network by all names and shapes together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shufflenet.spec import NetworkSpec, V1Spec, V2ExLargeSpec, V2LargeSpec, V2PlusSpec, V2Spec
from shufflenet.zoo import NETWORKS, Source

__all__ = ["LAYOUTS", "Layout"]

Naming = Callable[[str, NetworkSpec], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one project names, orders and wraps the weights of its networks.

    Attributes:
        name: Of the layout; several of one source differ by the network's generation.
        source: The project.
        networks: Names of our networks that it has code for.
        signature: A regular expression that one of its names matches, and none of any other.
        naming: Our name and the network to their name.
        prefix: What stands before every name in its files.
        wrapper: The key of the dictionary in the file that holds the weights; or empty.
        counts_batches: Whether its files say how many batches a norm has seen.
        transposed_classifier: Whether the classifier's weight is ``(features, classes)``.
        unused: A regular expression for names that only training needs or that stand twice.
        biases: Their convolution biases by our name of the norm's running mean that takes them.
        depthwise_before_shuffle: Whether V1's shuffle stands before the depthwise convolution.
    """

    name: str
    source: Source
    networks: tuple[str, ...]
    signature: str
    naming: Naming
    prefix: str = ""
    wrapper: str = ""
    counts_batches: bool = True
    transposed_classifier: bool = False
    unused: str = ""
    biases: tuple[tuple[str, str], ...] = ()
    depthwise_before_shuffle: bool = False


def _unit(name: str) -> tuple[int, int, str] | None:
    """Take ``stage3.2.branch2.0.weight`` apart: 3, 2, ``branch2.0.weight``."""
    match = re.fullmatch(r"stage(\d+)\.(\d+)\.(.*)", name)
    return (int(match[1]), int(match[2]), match[3]) if match else None


def _renamed(name: str, *rules: tuple[str, str]) -> str:
    """Apply the first rule, a regular expression and its replacement, that the name starts with."""
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub(f"^{pattern}", replacement, name)
    return name


def _number(spec: NetworkSpec, stage: int, unit: int) -> int:
    """Count units through all stages, from 0."""
    return sum(s.repeats for s in spec.stages[: stage - 2]) + unit


def _torchvision(name: str, _: NetworkSpec) -> str:
    return name


def _ericsun(name: str, spec: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        return f"features.{_number(spec, stage, unit)}.{rest.replace('branch', 'banch')}"
    return _renamed(name, ("conv5", "conv_last"), ("fc", "classifier.0"))


_CONV_BN = {0: "conv", 1: "bn"}
# Positions in a branch of V2 (torchvision): which pair of convolution and norm, and which of both.
_BRANCH1 = {0: (0, 0), 1: (0, 1), 2: (1, 0), 3: (1, 1)}
_BRANCH2 = {0: (0, 0), 1: (0, 1), 3: (1, 0), 4: (1, 1), 5: (2, 0), 6: (2, 1)}


def _pair(rest: str) -> tuple[str, int, int, str]:
    """Take ``branch2.3.weight`` apart: branch, which convolution, whether its norm, field."""
    branch, position, field = rest.split(".")
    pair, part = (_BRANCH1 if branch == "branch1" else _BRANCH2)[int(position)]
    return branch, pair, part, field


def _mmpretrain_v2(name: str, spec: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        branch, pair, part, field = _pair(rest)
        return f"backbone.layers.{stage - 2}.{unit}.{branch}.{pair}.{_CONV_BN[part]}.{field}"
    return _mmpretrain_ends(name, f"backbone.layers.{len(spec.stages)}")


def _mmpretrain_ends(name: str, head: str) -> str:
    return _renamed(
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


def _mmpretrain_v1(name: str, _: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        part, position, field = rest.split(".")
        which = f"{_MMPRETRAIN_V1[part]}.{_CONV_BN[int(position)]}"
        return f"backbone.layers.{stage - 2}.{unit}.{which}.{field}"
    return _mmpretrain_ends(name, "")


_PADDLE_FIELDS = {
    "weight": "weight",
    "bias": "bias",
    "running_mean": "_mean",
    "running_var": "_variance",
}
_PADDLE_OPENING = {"branch1": ("dw_1", "linear_1"), "branch2": ("pw_2", "dw_2", "linear_2")}
_PADDLE_KEEP = ("pw", "dw", "linear")


def _paddle(conv: str, norm: str) -> Naming:
    """Make the naming of PaddleClas, or of paddle.vision, which calls the same parts 0 and 1."""

    def naming(name: str, _: NetworkSpec) -> str:
        field = _PADDLE_FIELDS[name.rsplit(".", 1)[1]]
        if name.startswith("fc."):
            return f"_fc.{field}"
        if parts := _unit(name):
            stage, unit, rest = parts
            branch, pair, part, _field = _pair(rest)
            called = (_PADDLE_KEEP if unit else _PADDLE_OPENING[branch])[pair]
            return f"{stage}_{unit + 1}._conv_{called}.{norm if part else conv}.{field}"
        at = {"conv1": "_conv1", "conv5": "_last_conv"}[name.split(".")[0]]
        return f"{at}.{norm if name.split('.')[1] == '1' else conv}.{field}"

    return naming


def _megvii_v1(name: str, spec: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        part, position, field = rest.split(".")
        branch, offset = {"pw1": (1, 0), "dw": (1, 3), "pw2": (2, 0)}[part]
        at = f"features.{_number(spec, stage, unit)}.branch_main_{branch}"
        return f"{at}.{int(position) + offset}.{field}"
    return _renamed(name, ("conv1", "first_conv"), ("fc", "classifier.0"))


def _megvii_v2(name: str, spec: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        rest = _renamed(rest, ("branch1", "branch_proj"), ("branch2", "branch_main"))
        return f"features.{_number(spec, stage, unit)}.{_excite(rest)}"
    return _excite(
        _renamed(
            name,
            ("conv1", "first_conv"),
            ("conv5", "conv_last"),
            (r"neck\.excite", "LastSE"),
            (r"neck\.hidden", "fc.0"),
            ("fc", "classifier.0"),
        )
    )


def _excite(name: str) -> str:
    """Number squeeze and excitation as Megvii does, where the pool stands before the rest."""
    return re.sub(r"\.squeeze\.(\d+)", lambda match: f".SE_opr.{int(match[1]) + 1}", name)


def _detnas(name: str, spec: NetworkSpec) -> str:
    if not isinstance(spec, V2PlusSpec):
        raise TypeError("DetNAS is searched")
    if parts := _unit(name):
        stage, unit, rest = parts
        kind = spec.stages[stage - 2].kinds[unit]
        letter = chr(ord("a") + unit)
        at = f"features.{_number(spec, stage, unit)}"
        branch, position, field = rest.split(".")
        if branch == "branch1":
            called = f"interstellar{stage - 1}{letter}_proj"
            tail = {
                0: f"{called}_s",
                1: f"{called}_s_bn",
                2: called,
                3: f"bn{stage - 1}{letter}_proj",
            }
            return f"{at}.proj_conv.{tail[int(position)]}.{field}"
        block = (
            f"{stage - 1}{letter}_xception_3x3"
            if kind == "xception"
            else (f"{stage - 1}{letter}_shufflenet_{kind}")
        )
        return f"{at}.conv.{_detnas_layer(block, kind == 'xception', int(position))}.{field}"
    return _renamed(
        name,
        (r"conv1\.0", "first_conv.conv"),
        (r"conv1\.1", "first_conv.bn"),
        (r"conv5\.0", "last_conv.conv"),
        (r"conv5\.1", "last_conv.bn"),
        ("fc", "fc.fc"),
    )


def _detnas_layer(block: str, xception: bool, position: int) -> str:
    """Name a layer of DetNAS's branch by its place in ours.

    Three (xception) or two groups, ``branch2a`` and on, each of a depthwise convolution ``_s`` with
    its norm ``_s_bn`` and a 1x1 with its norm; the first of two has no depthwise part.
    """
    group, place = divmod(position, 5) if xception else divmod(position + 2, 5)
    called = f"interstellar{block}_branch2{'abc'[group]}"
    norm = f"bn{block}_branch2{'abc'[group]}"
    return f"{group}." + (f"{called}_s", f"{called}_s_bn", called, norm)[place]


def _conv_bn(rest: str, width: int = 3) -> str:
    """Name convolution and norm at ``position``, every ``width`` layers, Megvii's later way."""
    position, field = rest.split(".")
    return f"{int(position) // width}.{_CONV_BN[int(position) % width]}.{field}"


def _large(name: str, _: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        part, rest = rest.split(".", 1)
        at = f"features.{stage - 2}.{stage}{chr(ord('a') + unit)}"
        if part in ("branch1", "down"):
            return f"{at}.{'proj' if part == 'branch1' else part}.{_conv_bn(rest)[2:]}"
        return f"{at}.{_large_branch2(rest, {0: 0, 3: 1, 6: 2}, 8, '')}"
    if name.startswith("conv1."):
        return f"first_conv.{_conv_bn(name.removeprefix('conv1.'))}"
    return _renamed(name, (r"conv5\.0", "conv_last.conv"), (r"conv5\.1", "conv_last.bn"))


def _large_branch2(rest: str, convs: dict[int, int], squeeze: int, inner: str) -> str:
    position, rest = rest.split(".", 1)
    if int(position) == squeeze:
        _, at, field = rest.split(".")
        return f"se_fc{1 if at == '0' else 2}.{inner}{field}"
    number = int(position)
    conv = number if number in convs else number - 1
    return f"branch_main.{convs[conv]}.{_CONV_BN[number - conv]}.{rest}"


def _exlarge(name: str, spec: NetworkSpec) -> str:
    if parts := _unit(name):
        stage, unit, rest = parts
        at = f"features.{stage - 2}.{unit}"
        if unit == spec.stages[stage - 2].repeats:
            return f"{at}.{_conv_bn(rest)[2:]}"
        part, rest = rest.split(".", 1)
        if part == "branch1":
            return f"{at}.proj.{_conv_bn(rest)[2:]}"
        return f"{at}.{_large_branch2(rest, {0: 0, 3: 1, 6: 2, 8: 3}, 10, 'fc.')}"
    if name.startswith("conv1."):
        return f"first_conv.{_conv_bn(name.removeprefix('conv1.'))}"
    return _renamed(name, ("fc", "fc.fc"))


_CAFFE2_FIELDS = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def _onnx_v1(name: str, spec: NetworkSpec) -> str:
    field = _CAFFE2_FIELDS[name.rsplit(".", 1)[1]]
    if name.startswith("fc."):
        return f"gpu_0/pred_{'w' if name == 'fc.weight' else 'b'}_0"
    if parts := _unit(name):
        stage, unit, rest = parts
        part, position, _ = rest.split(".")
        number = _number(spec, stage, unit)
        at = {
            "pw1": f"gconv1_{2 * number}",
            "dw": f"gconv3_{number}",
            "pw2": f"gconv1_{2 * number + 1}",
        }
        called = at[part]
    else:
        called, position = "conv3_0", name.split(".")[1]
    return f"gpu_0/{called}_w_0" if position == "0" else f"gpu_0/{called}_bn_{field}_0"


def _networks(generation: type[NetworkSpec], choose: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(n for n, s in NETWORKS.items() if type(s) is generation and choose(n))


_HALVES = _networks(
    V2Spec, lambda name: not name.endswith(("_megvii", "_swish")) and name != "shufflenet_v2_50"
)
_PADDLE = (*_HALVES, "shufflenet_v2_x1_0_swish")

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="torchvision",
        source="torchvision",
        networks=(*_HALVES, "shufflenet_v2_50"),
        signature=r"stage2\.0\.branch2\.0\.weight",
        naming=_torchvision,
    ),
    Layout(
        name="ericsun99",
        source="torchvision",  # its file of 1.0 is torchvision's
        networks=_HALVES,
        signature=r"features\.0\.banch2\.0\.weight",
        naming=_ericsun,
    ),
    Layout(
        name="mmpretrain",
        source="mmpretrain",
        networks=_HALVES,
        signature=r"backbone\.layers\.0\.0\.branch2\.0\.conv\.weight",
        naming=_mmpretrain_v2,
        wrapper="state_dict",
    ),
    Layout(
        name="mmpretrain-v1",
        source="mmpretrain",
        networks=_networks(V1Spec, lambda name: "_megvii" not in name and "_onnx" not in name),
        signature=r"backbone\.layers\.0\.0\.g_conv_1x1_compress\.conv\.weight",
        naming=_mmpretrain_v1,
        wrapper="state_dict",
    ),
    Layout(
        name="paddle",
        source="paddleclas",
        networks=_PADDLE,
        signature=r"_conv1\._conv\.weight",
        naming=_paddle("_conv", "_batch_norm"),
        counts_batches=False,
        transposed_classifier=True,
    ),
    Layout(
        name="paddlevision",
        source="paddlevision",
        networks=_PADDLE,
        signature=r"_conv1\.0\.weight",
        naming=_paddle("0", "1"),
        counts_batches=False,
        transposed_classifier=True,
    ),
    Layout(
        name="megvii-v1",
        source="megvii",
        networks=_networks(V1Spec, lambda name: name.endswith("_megvii")),
        signature=r"features\.0\.branch_main_1\.0\.weight",
        naming=_megvii_v1,
        prefix="module.",
        wrapper="state_dict",
    ),
    Layout(
        name="megvii",
        source="megvii",
        networks=(
            *_networks(V2Spec, lambda name: name.endswith("_megvii")),
            *_networks(V2PlusSpec, lambda name: "detnas" not in name),
        ),
        signature=r"features\.0\.branch_main\.0\.weight",
        naming=_megvii_v2,
        prefix="module.",
        wrapper="state_dict",
    ),
    Layout(
        name="megvii-detnas",
        source="megvii",
        networks=_networks(V2PlusSpec, lambda name: "detnas" in name),
        signature=r"features\.0\.proj_conv\.interstellar1a_proj\.weight",
        naming=_detnas,
        prefix="module.",
        wrapper="state_dict",
        biases=(
            ("first_conv.conv.bias", "conv1.1.running_mean"),
            ("last_conv.conv.bias", "conv5.1.running_mean"),
        ),
    ),
    Layout(
        name="megvii-large",
        source="megvii",
        networks=_networks(V2LargeSpec, lambda _: True),
        signature=r"features\.0\.2a\.proj\.conv\.weight",
        naming=_large,
        prefix="module.",
        wrapper="state_dict",
        unused=r"predict_\d+\..*|.*\.se_block\.\d+\..*",
    ),
    Layout(
        name="megvii-exlarge",
        source="megvii",
        networks=_networks(V2ExLargeSpec, lambda _: True),
        signature=r"features\.0\.0\.proj\.conv\.weight",
        naming=_exlarge,
        prefix="module.",
        wrapper="state_dict",
        unused=r"predict_\d+\..*|.*\.se_block\.\d+\..*",
    ),
    Layout(
        name="onnx-v1",
        source="onnx_zoo",
        networks=("shufflenet_v1_g4_x0_5_onnx",),
        signature=r"gpu_0/conv3_0_w_0",
        naming=_onnx_v1,
        counts_batches=False,
        unused=r"OC2_DUMMY_.*|.*_shape.*",
        biases=(("gpu_0/conv3_0_b_0", "conv1.1.running_mean"),),
        depthwise_before_shuffle=True,
    ),
)
