"""Small images, networks and commands that many tests use; real images where there are some."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from torch import nn

import shufflenet
from made_once import SHARED
from seeded import photo, seeded_weights
from shufflenet import cli
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.machine import host_target
from shufflenet.models import create_model
from shufflenet.networks import ShuffleNet, state_arrays
from shufflenet.recipes import preprocess_for
from shufflenet.spec import (
    Card,
    Label,
    NetworkSpec,
    Origin,
    Target,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
)
from shufflenet.zoo import NETWORKS

torch.set_num_threads(1)  # also what fixtures of modules compute
settings.register_profile("any machine", deadline=None)  # no test depends on how busy it is
settings.load_profile("any machine")


_HOME = pytest.StashKey[Path]()
_CODE = "code"  # the folder of kept machine code in the cache folder


def pytest_configure(config: pytest.Config) -> None:
    """Give each process of a run a cache folder of its own, also what has no fixtures: doctests."""
    home = config.stash[_HOME] = Path(tempfile.mkdtemp(prefix="shufflenet-tests-"))
    os.environ["SHUFFLENET_HOME"] = str(home)
    if not hasattr(config, "workerinput"):  # the workers of pytest-xdist start after this
        shared = home / "shared"
        (shared / _CODE).mkdir(mode=0o700, parents=True)
        os.environ[SHARED] = str(shared)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_HOME], ignore_errors=True)


@pytest.fixture(autouse=True)
def own_cache(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache folder in which nothing was downloaded, converted or measured.

    Only machine code is kept from test to test, and shared by all workers, for it takes seconds to
    make, and each process trusts it by its hash alone; it does not change which runtime ``auto``
    takes unless that was measured. ``fresh_code`` keeps it apart too.
    """
    folder = Path(tempfile.mkdtemp(dir=pytestconfig.stash[_HOME]))
    (folder / _CODE).symlink_to(Path(os.environ[SHARED]) / _CODE)
    monkeypatch.setenv("SHUFFLENET_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Compute by one thread, since tests run side by side, whatever the test before asked for.

    The last bits of sums depend on the number of threads, and runs are compared to the bit.
    """
    torch.set_num_threads(1)


@pytest.fixture
def fresh_code(own_cache: Path) -> Path:
    """The cache folder of a test that depends on which code was kept: none was."""
    (own_cache / _CODE).unlink()
    return own_cache


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests that share what a fixture of their file makes to one worker, as one group."""
    for item in items:
        if isinstance(item, pytest.Function) and not item.get_closest_marker("xdist_group"):
            fixtures = item._fixtureinfo.name2fixturedefs.values()
            if any(each[-1].scope == "module" for each in fixtures):
                item.add_marker(pytest.mark.xdist_group(item.path.name))


Run = Callable[..., tuple[int, str, str]]
_Net = TypeVar("_Net", bound=nn.Module)
"""Runs a command in this process and gives its exit code and what it wrote to both streams."""

COLOURS = {"blue": (20, 30, 220), "green": (30, 200, 40), "red": (220, 40, 30)}


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """Three classes that a glance tells apart, eight images each."""
    return write_colours(tmp_path)


def write_colours(parent: Path) -> Path:
    for name, colour in COLOURS.items():
        folder = parent / "colours" / name
        folder.mkdir(parents=True)
        for number in range(8):
            noise = photo(f"{name}{number}", 40, 48).astype(float) / 5
            pixels = (np.array(colour) * 0.8 + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return parent / "colours"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three images, one of them in a folder of its own, and of a file that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "more/ü.JPEG"):
        Image.fromarray(photo(name, 40, 52)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def real_data() -> Path:
    """The folder of Tiny-ImageNet-200's archives; without it the test is skipped."""
    folder = os.environ.get("SHUFFLENET_DATA")
    if not folder:
        pytest.skip("SHUFFLENET_DATA names no folder of real images")
    return Path(folder)


def take_away(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a package missing, and import every room again that may have imported it before."""
    for name in [name for name in sys.modules if name.startswith("shufflenet.")]:
        if name.split(".")[1] not in ("errors", "cli"):  # tests compare errors by their class
            parent, _, child = name.rpartition(".")
            if child in vars(sys.modules.get(parent, shufflenet)):  # restored after the test too
                monkeypatch.delattr(sys.modules.get(parent, shufflenet), child)
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


def with_seeded_weights(net: _Net) -> _Net:
    """Give a network weights and statistics that are random, the same every time."""
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    wanted = {key: shape for key, shape in shapes.items() if "num_batches" not in key}
    tensors = {key: torch.from_numpy(array) for key, array in seeded_weights(wanted).items()}
    net.load_state_dict(tensors, strict=False)
    return net.eval()


def calmed(net: _Net) -> _Net:
    """Raise variances, so that no squeeze is 0 or 1 and float32 suffices to compute the network."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            module.running_var *= 4
    return net


def _thin(spec: NetworkSpec) -> NetworkSpec:
    """Leave two units a stage of the networks that are too large for tests, and fewer channels."""
    if isinstance(spec, V2LargeSpec | V2ExLargeSpec):
        stages = tuple(replace(s, channels=s.channels // 4, repeats=2) for s in spec.stages)
        return replace(spec, stages=stages, groups=8)
    if isinstance(spec, V2PlusSpec) and len(spec.stages[0].kinds) > 4:
        thin = tuple(replace(s, channels=s.channels // 4 * 2) for s in spec.stages)
        return replace(spec, stages=thin, stem_channels=16, head_channels=64)
    return spec


SPECS = {name: _thin(spec) for name, spec in NETWORKS.items()}


def card_for(spec: NetworkSpec, image_px: int = 32) -> Card:
    return Card(
        name="test",
        network=spec,
        preprocess=preprocess_for(image_px),
        labels=tuple(Label(f"id{i}", f"name {i}") for i in range(spec.classes)),
        origin=Origin(data="none", licence="none"),
    )


@pytest.fixture
def small_net() -> ShuffleNet:
    """The smallest network of the catalogue, for small images and three classes."""
    return with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1))


def saved(net: ShuffleNet, path: Path) -> Path:
    write_checkpoint(path, Checkpoint(card_for(net.spec), state_arrays(net)))
    return path


@pytest.fixture
def checkpoint(small_net: ShuffleNet, tmp_path: Path) -> Path:
    """The file of the smallest network."""
    return saved(small_net, tmp_path / "small.safetensors")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def main(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return main


@pytest.fixture(scope="module", params=["portable", "AVX2", "AVX-VNNI", "AVX-512 VNNI", "AMX"])
def instructions(request: pytest.FixtureRequest) -> Target:
    """This processor as a target that multiplies bytes as several do, where it has what they do."""
    pytest.importorskip("llvmlite")
    target = host_target(int8=True)
    features = set(target.features.replace("+", "").split(","))
    is_wide = features >= {"avx512vnni", "avx512bw", "avx512vl"}
    has = {
        "portable": True,
        "AVX2": "avx2" in features,
        "AVX-VNNI": "avxvnni" in features or is_wide,
        "AVX-512 VNNI": is_wide,
        "AMX": target.multiplies_bytes == "AMX",
    }
    if not has[request.param]:
        pytest.skip(f"this processor has no {request.param}")
    return replace(target, multiplies_bytes=request.param)
