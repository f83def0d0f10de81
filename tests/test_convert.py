import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from conftest import SPECS, card_for, with_seeded_weights
from foreign import as_torch, saved, write
from originals import CLASSES, ORIGINALS, Original, images, weights
from seeded import photo, seeded_weights
from shufflenet.cli import _convert, main
from shufflenet.convert import SOURCES, TARGETS, convert_checkpoint, write_layout
from shufflenet.convert._read import read_foreign
from shufflenet.deploy import deploy
from shufflenet.errors import (
    LayoutError,
    SpecError,
)
from shufflenet.files import Checkpoint, read_checkpoint, write_checkpoint
from shufflenet.networks import ShuffleNet, build, state_arrays
from shufflenet.spec import Label, NetworkSpec
from shufflenet.zoo import NETWORKS
from tolerance import FLOAT32_ORIGINAL, FLOAT64_ORIGINAL, FLOAT64_PADDLE

xdist_group = pytest.mark.xdist_group
LAYOUT_OF = {"mmpretrain": "mmpretrain", "paddleclas": "paddle", "paddlevision": "paddlevision"}


def network(checkpoint: Checkpoint) -> ShuffleNet:
    with torch.device("meta"):  # a gigabyte of random weights takes seconds
        net = build(checkpoint.card.network).double().eval()
    net.to_empty(device="cpu")
    tensors = {k: torch.tensor(v) for k, v in checkpoint.tensors.items()}
    missing = net.load_state_dict(tensors, strict=False).missing_keys
    assert all(key.endswith("num_batches_tracked") for key in missing)
    return net


def memory_bytes() -> int:
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def apart(logits: torch.Tensor, expected: npt.NDArray[np.float64]) -> float:
    return float(np.abs(logits.numpy()[:, CLASSES] - expected).max() / np.abs(expected).max())


# The first network of each source, but for those of a gigabyte.
FIRSTS = [
    next(o for o in ORIGINALS if o.source == source)
    for source in dict.fromkeys(o.source for o in ORIGINALS if "large" not in o.source)
]


@dataclass(frozen=True)
class Case:
    """An original's weights, and what was converted of its file; that alone told the source."""

    original: Original
    weights: Mapping[str, npt.NDArray[np.generic]]
    checkpoint: Checkpoint


@pytest.fixture(
    scope="module",
    params=[pytest.param(o, id=str(o), marks=xdist_group(f"convert {o}")) for o in ORIGINALS],
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Make, write and convert each original once for all tests of it."""
    original: Original = request.param
    if original.name == "ExLarge" and memory_bytes() < 12 << 30:
        pytest.skip("a network of a gigabyte, also in float64, needs 12 GiB of memory")
    made = weights(original)
    path = write(original, tmp_path_factory.mktemp("original"), made)
    converted = convert_checkpoint(path)
    path.unlink()  # up to a gigabyte
    return Case(original, made, converted.checkpoint)


@torch.no_grad()
def test_a_converted_network_computes_what_the_original_did(case: Case) -> None:
    """With the source told by the file alone; of each source, so does a deployed network.

    That a deployed network computes what it was made of is tested of every network, with weights of
    this kind, in test_deploy.py.
    """
    original, net = case.original, network(case.checkpoint)
    tolerance = FLOAT64_ORIGINAL if original.float64 else FLOAT32_ORIGINAL
    pixels = torch.from_numpy(images(original))
    assert apart(net(pixels[:1]), original.logits[:1]) <= tolerance
    if any(original is first for first in FIRSTS):  # their arrays have no one truth value
        assert apart(deploy(net)(pixels[-1:]), original.logits[-1:]) <= tolerance


def test_there_and_back_is_bit_identical(case: Case, tmp_path: Path) -> None:
    """Weights are; how many batches a norm has seen is not kept, for it plays no part."""
    original = case.original
    if original.source not in LAYOUT_OF and not original.source.startswith("megvii"):
        pytest.skip("nothing is written for this source")
    if original.name == "ExLarge":
        pytest.skip("it cannot go back: see the next test")
    if str(original) == "paddleclas x2_0 224":
        pytest.skip("PaddleClas's code builds it no more")
    path = tmp_path / "ours.safetensors"
    write_checkpoint(path, case.checkpoint)
    layout = LAYOUT_OF.get(original.source, "megvii")
    back = tmp_path / ("back.pdparams" if "paddle" in layout else "back.pth.tar")
    assert write_layout(read_checkpoint(path), back, layout).max_abs_difference == 0
    file, expected = read_foreign(back), dict(case.weights)
    arrays = {file.prefix + name: array for name, array in file.arrays.items()}
    if original.source in ("megvii-detnas", "megvii-large"):  # whose scripts trip over the prefix
        expected = {name.removeprefix("module."): array for name, array in expected.items()}
    unused = {k for k in expected if "predict_" in k or "se_block" in k}
    folded = {
        f"{end}_conv.{part}"
        for end in ("first", "last")
        for part in ("conv.bias", "bn.running_mean")
    }
    assert arrays.keys() == expected.keys() - unused
    changed = folded if original.source == "megvii-detnas" else set()
    for name in arrays:
        assert arrays[name].dtype == expected[name].dtype
        if name not in changed and not name.endswith("num_batches_tracked"):
            assert np.array_equal(arrays[name], expected[name]), name


def test_each_source_finds_its_weights_where_it_looks_for_them(tmp_path: Path) -> None:
    """Wrapped in a dictionary, with DataParallel's prefix, or bare."""
    looks = {
        "shufflenet_v2_x0_5": ("torchvision", None, "conv1.0.weight"),
        "shufflenet_v1_g3_x1_0": ("mmpretrain", "state_dict", "backbone.conv1.conv.weight"),
        "shufflenet_v2_x0_5_megvii": ("megvii", "state_dict", "module.first_conv.0.weight"),
        "shufflenet_v2_oneshot": ("megvii", None, "module.first_conv.0.weight"),
        "shufflenet_v2_detnas_300m_voc_fpn": ("megvii", "state_dict", "first_conv.conv.weight"),
    }
    for network_name, (layout, wrapper, key) in looks.items():
        path = tmp_path / f"{network_name}.pth.tar"
        write_layout(random_checkpoint(NETWORKS[network_name]), path, layout)
        saved = torch.load(path, weights_only=True)
        assert key in (saved[wrapper] if wrapper else saved)


def test_what_no_script_would_load_is_not_written(tmp_path: Path) -> None:
    thin = random_checkpoint(SPECS["shufflenet_v2_exlarge"])
    spec = thin.card.network
    whole = replace(thin, card=replace(thin.card, network=NETWORKS[spec.name]))
    with pytest.raises(LayoutError, match="heads that only training uses, which are not stored"):
        write_layout(whole, tmp_path / "a.pth", "megvii")
    x0_5 = random_checkpoint(NETWORKS["shufflenet_v2_x0_5"])
    with pytest.raises(SpecError, match="ends in .pdparams"):
        write_layout(x0_5, tmp_path / "a.pth", "paddle")
    with pytest.raises(SpecError, match="ends in .pth or .pth.tar or .pkl"):
        write_layout(x0_5, tmp_path / "a.safetensors", "torchvision")
    assert not list(tmp_path.iterdir())


def random_checkpoint(spec: NetworkSpec) -> Checkpoint:
    net = with_seeded_weights(build(spec))
    if net.fc.bias is not None:
        nn.init.zeros_(net.fc.bias)  # Megvii's classifiers have none
    return Checkpoint(card_for(spec, 224), state_arrays(net))


def cross(checkpoint: Checkpoint, layout: str, tmp_path: Path) -> Checkpoint:
    """Write for another project, and read that project's file."""
    suffix = ".pdparams" if layout == "paddle" else ".pth"
    path = tmp_path / f"{checkpoint.card.network.name}{suffix}"  # only its name tells of swish
    write_layout(checkpoint, path, layout)
    return convert_checkpoint(path, labels=checkpoint.card.labels).checkpoint


@torch.no_grad()
def assert_same_function(a: Checkpoint, b: Checkpoint) -> None:
    pixels = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    expected, logits = network(a)(pixels), network(b)(pixels)
    same = a.card.network == b.card.network  # but for Paddle's epsilon
    tolerance = FLOAT64_ORIGINAL if same else FLOAT64_PADDLE
    assert float((logits - expected).abs().max() / expected.abs().max()) <= tolerance


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
        ("shufflenet_v2_x1_0_swish", "torchvision", "activation would have to be relu, not swish"),
        ("shufflenet_v2_x0_25", "torchvision", "torchvision has no network of this kind"),
        ("shufflenet_v2_x0_25", "mmpretrain", "mmpretrain has no network of this kind"),
        ("shufflenet_v2_x2_0", "paddlevision", "paddlevision has no network of this kind"),
        ("shufflenet_v2_x2_0_224", "paddle", "paddle has no network of this kind"),
        ("shufflenet_v1_g1_x0_25", "mmpretrain", "mmpretrain has no network of this kind"),
        ("shufflenet_v2_50", "torchvision", "torchvision has no network of this kind"),
        ("shufflenet_v2_plus_small", "paddle", "paddle has no network of this kind"),
    ],
)
def test_where_no_permutation_of_weights_works_the_error_has_the_reason(
    name: str, layout: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "none.pth"
    with pytest.raises(LayoutError) as caught:
        write_layout(random_checkpoint(NETWORKS[name]), path, layout)
    assert reason in str(caught.value)
    assert not list(tmp_path.iterdir())


ORIGINAL = next(o for o in ORIGINALS if str(o) == "megvii-v2 0.5x")
GOLDEN = np.load(Path(__file__).parent / "golden" / "torchvision.npz")
TEN = [Label(f"c{i}", f"class {i}") for i in range(10)]


@pytest.mark.parametrize("width", ["x0_5", "x1_0", "x1_5", "x2_0"])
@torch.no_grad()
def test_torchvisions_files_give_torchvisions_logits(width: str, tmp_path: Path) -> None:
    names = str(GOLDEN[f"keys {width}"]).splitlines()
    like = state_arrays(build(replace(NETWORKS[f"shufflenet_v2_{width}"], classes=10)))
    arrays = seeded_weights({name: like[name].shape for name in names})
    path = saved(as_torch(arrays), tmp_path)
    converted = convert_checkpoint(path, source="torchvision", labels=TEN)
    pixels = torch.from_numpy(photo("network", 65, 96) / 255.0).permute(2, 0, 1)[None]
    expected = GOLDEN[f"logits {width}"]
    for net in (network(converted.checkpoint), deploy(network(converted.checkpoint))):
        difference = np.abs(net(pixels).numpy() - expected).max()
        assert difference <= FLOAT64_ORIGINAL * np.abs(expected).max()


def test_the_command_line_names_what_can_be_converted() -> None:
    """It may not import the room, which loads torch, only to print its help."""
    assert ("auto", *SOURCES) == _convert._SOURCES
    assert tuple(TARGETS) == _convert._LAYOUTS


def test_convert_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign, ours, back = write(ORIGINAL, tmp_path), tmp_path / "o.safetensors", tmp_path / "b.pth"
    foreign = foreign.rename(tmp_path / "weights without an ending")
    assert main(["convert", str(foreign), "--to", str(ours), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["path"], shown["max_abs_difference"]) == (str(ours), 0)
    assert (shown["layout"], shown["network"]) == ("megvii", "shufflenet_v2_x0_5_megvii")
    assert main(["convert", str(ours), "--to", str(back), "--layout", "megvii", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max_abs_difference"] == 0
    kept = ours.read_bytes()
    os.mkfifo(pipe := tmp_path / "pipe.pth")
    for arguments, told in (
        ([str(ours), "--to", str(ours), "--layout", "torchvision"], "is the file that is read"),
        ([str(foreign), "--to", str(tmp_path / "a.pth")], "must end in .safetensors"),
        (
            [str(ours), "--to", str(back), "--layout", "megvii", "--network", "x"],
            "are of no use with --layout",
        ),
    ):
        assert main(["convert", *arguments]) == 2
        assert told in capsys.readouterr().err
    for arguments, told in (
        ([str(ours), "--to", str(tmp_path / "c.safetensors")], "is already a checkpoint"),
        (["none.pth", "--to", str(tmp_path / "c.safetensors")], "does not exist"),
        (["default", "--to", str(tmp_path / "c.safetensors")], "is already a checkpoint"),
        ([str(pipe), "--to", str(tmp_path / "c.safetensors")], "is a pipe"),
        (
            [str(foreign), "--labels", str(pipe), "--to", str(tmp_path / "c.safetensors")],
            "it is a pipe). Give a text file",
        ),
    ):
        assert main(["convert", *arguments]) == 1
        assert told in capsys.readouterr().err
    assert ours.read_bytes() == kept
