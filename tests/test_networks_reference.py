"""The NumPy networks that tests compare with compute what the originals compute.

Large and ExLarge also compute what this package's networks do, with fewer channels.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from conftest import SPECS, with_seeded_weights
from originals import CLASSES, ORIGINALS, Original, images, weights
from reference_networks import (
    ReferenceEvenOdd,
    ReferenceExLarge,
    ReferenceLarge,
    ReferenceV1,
    V1Order,
    hard_swish,
    relu,
)
from shufflenet.networks import build, state_arrays
from shufflenet.spec import V2ExLargeSpec, V2LargeSpec
from tolerance import FLOAT32_RELATIVE, FLOAT64_RELATIVE

Weights = dict[str, npt.NDArray[np.generic]]
# What this package calls things, for the names that PyTorch's files give them, in this order.
NAMES = (
    (r"^(module|backbone)\.", ""),
    (r"^first_conv\.", "conv1."),
    (r"^(conv_last|last_conv)\.", "conv5."),
    (r"^LastSE\.", "neck."),
    (r"^fc\.0\.", "neck.hidden."),
    (r"^(classifier\.0|fc\.fc|head\.fc)\.", "fc."),
    (r"^layers\.0\.", "stage2."),
    (r"^layers\.1\.", "stage3."),
    (r"^layers\.2\.", "stage4."),
    (r"g_conv_1x1_compress|branch_main_1(?=\.[01]\.)", "pw1"),
    (r"depthwise_conv3x3_bn", "dw"),
    (r"branch_main_1\.3", "dw.0"),
    (r"branch_main_1\.4", "dw.1"),
    (r"g_conv_1x1_expand|branch_main_2", "pw2"),
    (r"branch_main", "branch2"),
    (r"branch_proj", "branch1"),
    (r"SE_opr\.1", "squeeze.0"),
    (r"SE_opr\.2", "squeeze.1"),
    (r"SE_opr\.4", "squeeze.3"),
    (r"\.conv\.", ".0."),
    (r"\.bn\.", ".1."),
)
CAFFE2 = {
    "w_0": "0.weight",
    "b_0": "0.bias",
    "bn_s_0": "1.weight",
    "bn_b_0": "1.bias",
    "bn_rm_0": "1.running_mean",
    "bn_riv_0": "1.running_var",
}
# How the layers of a branch are numbered, activations counted, by how many of them have weights.
NUMBERS = {
    4: (0, 1, 2, 3),
    6: (0, 1, 3, 4, 5, 6),
    12: (0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13),
}


def _unit(number: int, repeats: tuple[int, ...]) -> str:
    """Name a unit that a source numbers through all stages."""
    stage = 2
    while number >= repeats[stage - 2]:
        number -= repeats[stage - 2]
        stage += 1
    return f"stage{stage}.{number}"


def _from_pytorch(state: Weights, repeats: tuple[int, ...]) -> Weights:
    def place(found: re.Match[str]) -> str:
        return _unit(int(found[1]), repeats) + "."

    named: Weights = {}
    for key, value in state.items():
        name = key
        for pattern, ours in NAMES:
            name = re.sub(pattern, ours, name)
        named[re.sub(r"^features\.(\d+)\.", place, name)] = value
    return named


def _numbered(state: Weights) -> Weights:
    """Give DetNAS's layers the numbers that its sisters' have; its file has them in their order."""
    layers: dict[str, list[str]] = {}
    branch = re.compile(r"(module\.features\.\d+)\.(conv|proj_conv)\.(.+)\.\w+$")
    for found in filter(None, map(branch.match, state)):
        names = layers.setdefault(f"{found[1]} {found[2]}", [])
        if found[3] not in names:
            names.append(found[3])

    def number(key: str) -> str:
        if not (found := branch.match(key)):
            return key
        names = layers[f"{found[1]} {found[2]}"]
        ours = "branch_main" if found[2] == "conv" else "branch_proj"
        at = NUMBERS[len(names)][names.index(found[3])]
        return f"{found[1]}.{ours}.{at}.{key.rpartition('.')[2]}"

    return {number(key): value for key, value in state.items()}


def _lettered(state: Weights) -> Weights:
    """Number Large's units, which have letters, and its layers as its sisters' are numbered."""

    def unit(found: re.Match[str]) -> str:
        return f"stage{found[1]}.{ord(found[2]) - ord('a')}."

    def layer(found: re.Match[str]) -> str:
        return f"{found[1]}.{3 * int(found[2]) + (found[3] == 'bn')}."

    named: Weights = {}
    for key, value in state.items():
        name = re.sub(r"features\.\d\.(\d)(\w)\.", unit, key)
        name = re.sub(r"(first_conv|branch_main)\.(\d)\.(conv|bn)\.", layer, name)
        name = name.replace(".proj.", ".branch1.").replace(".se_fc1.", ".branch2.8.squeeze.0.")
        name = name.replace(".se_fc2.", ".branch2.8.squeeze.2.")
        linear = re.search(r"squeeze\.\d\.weight$", name)
        named[name] = value[:, :, None, None] if linear else value
    return named


def _from_caffe2(state: Weights, groups: int) -> Weights:
    """Name them, and move the shuffle from before the depthwise convolutions to after."""
    named: Weights = {}
    for key, value in state.items():
        if key.startswith("gpu_0/pred_"):
            named["fc.weight" if "_w_" in key else "fc.bias"] = value
            continue
        found = re.match(r"gpu_0/(conv3|gconv1|gconv3)_(\d+)_(.+)$", key)
        assert found
        number = int(found[2])
        if found[1] == "conv3":
            name = "conv1"
        elif found[1] == "gconv1":
            name = f"{_unit(number // 2, (4, 8, 4))}.pw{number % 2 + 1}"
        else:
            name = f"{_unit(number, (4, 8, 4))}.dw"
            later = np.empty_like(value)
            later[np.arange(len(value)).reshape(groups, -1).T.ravel()] = value
            value = later
        named[f"{name}.{CAFFE2[found[3]]}"] = value
    return named


def _check(original: Original, net: Callable[..., npt.NDArray[np.float64]]) -> None:
    first, logits = images(original)[:1], original.logits[:1]
    worst = np.abs(net(first)[:, CLASSES] - logits).max()
    relative = FLOAT64_RELATIVE if original.float64 else FLOAT32_RELATIVE
    assert worst <= relative * np.abs(logits).max()


def _originals(*sources: str) -> list[Original]:
    return [original for original in ORIGINALS if original.source in sources]


@pytest.mark.parametrize("original", _originals("megvii-v1"), ids=str)
def test_v1_is_megviis(original: Original) -> None:
    state = _from_pytorch(weights(original), (4, 8, 4))
    _check(original, ReferenceV1(state, V1Order(int(original.name[1]), inverse_shuffle=True)))


@pytest.mark.parametrize(
    "original", [o for o in _originals("mmpretrain") if o.name.startswith("v1")], ids=str
)
def test_v1_is_mmpretrains(original: Original) -> None:
    state = _from_pytorch(weights(original), (4, 8, 4))
    _check(original, ReferenceV1(state, V1Order(int(original.name[-1]))))


@pytest.mark.parametrize("original", _originals("onnxzoo"), ids=str)
def test_v1_is_the_onnx_zoos(original: Original) -> None:
    order = V1Order(4, first_grouped=True, pool_first=False, pool_counts_padding=False)
    _check(original, ReferenceV1(_from_caffe2(weights(original), 4), order))


@pytest.mark.parametrize("original", _originals("megvii-v2"), ids=str)
def test_even_odd_is_megviis_v2(original: Original) -> None:
    state = _from_pytorch(weights(original), (4, 8, 4))
    _check(original, ReferenceEvenOdd(state, (2, 3, 4), (relu,) * 5, stem_stride=4))


@pytest.mark.parametrize("original", _originals("megvii-v2plus"), ids=str)
def test_even_odd_is_megviis_v2plus(original: Original) -> None:
    state = _from_pytorch(weights(original), (4, 4, 8, 4))
    activations = (hard_swish, relu, hard_swish, hard_swish, hard_swish, hard_swish)
    _check(original, ReferenceEvenOdd(state, (2, 3, 4, 5), activations, squeezed=(4, 5)))


@pytest.mark.parametrize("original", _originals("megvii-oneshot", "megvii-detnas"), ids=str)
def test_even_odd_is_megviis_oneshot_and_detnas(original: Original) -> None:
    repeats = (8, 8, 16, 8) if original.name.endswith("G") else (4, 4, 8, 4)
    state = _from_pytorch(_numbered(weights(original)), repeats)
    _check(original, ReferenceEvenOdd(state, (2, 3, 4, 5), (relu,) * 6))


@pytest.mark.parametrize("original", _originals("megvii-large"), ids=str)
def test_large_is_megviis(original: Original) -> None:
    _check(original, ReferenceLarge(_from_pytorch(_lettered(weights(original)), ())))


@pytest.mark.parametrize(
    ("name", "reference"),
    [("shufflenet_v2_large", ReferenceLarge), ("shufflenet_v2_exlarge", ReferenceExLarge)],
)
@torch.no_grad()
def test_thin_large_and_exlarge_are_ours(
    name: str, reference: type[ReferenceLarge | ReferenceExLarge]
) -> None:
    """With variances raised, or squeezes would be 0 or 1."""
    spec = SPECS[name]
    assert isinstance(spec, V2LargeSpec | V2ExLargeSpec)
    stages = tuple(
        replace(stage, channels=96 << i, repeats=2 + i % 2) for i, stage in enumerate(spec.stages)
    )
    spec = replace(spec, stages=stages, groups=reference.groups, classes=7)
    net = with_seeded_weights(build(spec).double())
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            module.running_var *= 4
    pixels = torch.randn(2, 3, 65, 47, generator=torch.Generator().manual_seed(0)).double()
    expected = reference(state_arrays(net))(pixels.numpy())
    worst = np.abs(net(pixels).numpy() - expected).max()
    assert worst <= FLOAT64_RELATIVE * np.abs(expected).max()
