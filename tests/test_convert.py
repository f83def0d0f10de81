from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from conftest import card_for, with_seeded_weights
from foreign import write
from originals import CLASSES, ORIGINALS, Original, images, weights
from shufflenet.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from shufflenet.convert import convert_checkpoint, write_layout
from shufflenet.convert._read import read_arrays
from shufflenet.deploy import deploy
from shufflenet.errors import LayoutError
from shufflenet.models import state_arrays
from shufflenet.networks import build
from shufflenet.spec import NetworkSpec
from shufflenet.zoo import NETWORKS
from tolerance import FLOAT32_ORIGINAL, FLOAT64_ORIGINAL

# Paddle takes a batch norm's 1e-5 as a float32 number even where it computes in float64.
PADDLE_EPS = float(np.float32(1e-5))

LAYOUT_OF = {"mmpretrain": "mmpretrain", "paddleclas": "paddle", "paddlevision": "paddlevision"}


def network(checkpoint: Checkpoint, eps: float | None = None) -> nn.Module:
    net = build(checkpoint.card.network).double().eval()
    tensors = {k: torch.from_numpy(v).double() for k, v in checkpoint.tensors.items()}
    net.load_state_dict(tensors, strict=False)
    for module in net.modules():
        if eps is not None and isinstance(module, nn.BatchNorm2d):
            module.eps = eps
    return net


def apart(logits: torch.Tensor, expected: npt.NDArray[np.float64]) -> float:
    return float(np.abs(logits.numpy()[:, CLASSES] - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("original", ORIGINALS, ids=str)
@torch.no_grad()
def test_a_converted_network_computes_what_the_original_did(
    original: Original, tmp_path: Path
) -> None:
    """With the source told by the file alone; so does the deployed network."""
    converted = convert_checkpoint(write(original, tmp_path))
    eps = PADDLE_EPS if original.source.startswith("paddle") else None
    net = network(converted.checkpoint, eps)
    tolerance = FLOAT64_ORIGINAL if original.float64 else FLOAT32_ORIGINAL
    pixels = torch.from_numpy(images(original))
    assert apart(net(pixels), original.logits) <= tolerance
    assert apart(deploy(net)(pixels), original.logits) <= tolerance


@pytest.mark.parametrize(
    "original",
    [o for o in ORIGINALS if o.source in LAYOUT_OF or o.source.startswith("megvii")],
    ids=str,
)
def test_there_and_back_is_bit_identical(original: Original, tmp_path: Path) -> None:
    if original.name == "ExLarge":
        pytest.skip("a gigabyte twice; Large goes the same way")
    converted = convert_checkpoint(write(original, tmp_path))
    path = tmp_path / "ours.safetensors"
    write_checkpoint(path, converted.checkpoint)
    layout = LAYOUT_OF.get(original.source, "megvii")
    written = write_layout(read_checkpoint(path), tmp_path / "back.pth", layout)
    assert written.max_abs_difference == 0
    back = tmp_path / ("back.pth" if "paddle" not in layout else "back.pdparams")
    (tmp_path / "back.pth").rename(back)
    arrays, expected = read_arrays(back), weights(original)
    training_only = {k for k in expected if "predict_" in k or "se_block" in k}
    folded = {
        f"module.{end}_conv.{part}"
        for end in ("first", "last")
        for part in ("conv.bias", "bn.running_mean")
    }
    assert arrays.keys() == expected.keys() - training_only
    for name in arrays.keys() - folded:
        assert arrays[name].dtype == expected[name].dtype
        assert np.array_equal(arrays[name], expected[name]), name


def random_checkpoint(spec: NetworkSpec) -> Checkpoint:
    net = with_seeded_weights(build(spec))
    if net.fc.bias is not None:
        nn.init.zeros_(net.fc.bias)  # Megvii's classifiers have none
    return Checkpoint(card_for(spec, 224), state_arrays(net))


def cross(checkpoint: Checkpoint, layout: str, tmp_path: Path) -> Checkpoint:
    """Write for another project, and read that project's file."""
    path = tmp_path / f"cross{'.pdparams' if layout == 'paddle' else '.pth'}"
    write_layout(checkpoint, path, layout)
    return convert_checkpoint(path, labels=checkpoint.card.labels).checkpoint


@torch.no_grad()
def assert_same_function(a: Checkpoint, b: Checkpoint) -> None:
    pixels = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    expected, logits = network(a)(pixels), network(b)(pixels)
    assert float((logits - expected).abs().max() / expected.abs().max()) <= FLOAT64_ORIGINAL


@pytest.mark.parametrize(
    ("name", "layouts"),
    [
        ("shufflenet_v2_x0_5", ["megvii", "torchvision", "mmpretrain", "paddle"]),
        ("shufflenet_v2_x0_5_megvii", ["torchvision", "paddle", "mmpretrain", "megvii"]),
        ("shufflenet_v1_g3_x1_0", ["megvii", "mmpretrain"]),
        ("shufflenet_v1_g3_x2_0_megvii", ["mmpretrain", "megvii"]),
        ("shufflenet_v1_g8_x2_0_megvii", ["mmpretrain", "megvii"]),
        ("shufflenet_v2_x1_5", ["mmpretrain", "paddle", "torchvision"]),
        ("shufflenet_v2_x1_0_swish", ["paddle"]),
    ],
)
def test_weights_go_round_other_projects_and_come_home_the_same(
    name: str, layouts: list[str], tmp_path: Path
) -> None:
    first = random_checkpoint(NETWORKS[name])
    here = first
    for layout in layouts:
        if name.endswith("swish"):
            tmp_path = tmp_path / "swish"  # only the file's name tells
        there = cross(here, layout, tmp_path)
        assert_same_function(first, there)
        here = there
    assert here.tensors.keys() == first.tensors.keys()
    for key, array in first.tensors.items():
        assert np.array_equal(here.tensors[key], array), key


@pytest.mark.parametrize(
    ("name", "layout", "reason"),
    [
        ("shufflenet_v2_x1_0", "megvii", "the branches that open its stage 2 make 58 and 58"),
        ("shufflenet_v2_x1_0_megvii", "torchvision", "make 24 and 92 channels, theirs 58 and 58"),
        ("shufflenet_v1_g8_x1_0_megvii", "mmpretrain", "with 96 channels in 8 groups"),
        ("shufflenet_v1_g1_x1_0", "torchvision", "torchvision has no network of this kind"),
        ("shufflenet_v2_x1_0_swish", "torchvision", "torchvision has no network of this kind"),
        ("shufflenet_v2_plus_small", "paddle", "paddle has no network of this kind"),
    ],
)
def test_where_no_order_of_weights_does_it_the_reason_is_told(
    name: str, layout: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "none.pth"
    with pytest.raises(LayoutError) as caught:
        write_layout(random_checkpoint(NETWORKS[name]), path, layout)
    assert reason in str(caught.value)
    assert not list(tmp_path.iterdir())
