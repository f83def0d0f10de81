"""What each project's file gives: how a network is built and run, and where its code is from."""

import importlib
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = ["FREE", "Build", "Entries", "Run", "Source", "Weights", "by_torch", "load", "stand_in"]

FIXED = (193, 207)  # 7x7 before a pooling that is fixed at 7x7, like 224, with odd sizes on the way
FREE = (97, 64)  # for networks that pool whatever there is

Entries = tuple[tuple[str, tuple[int, ...], str], ...]
Weights = Mapping[str, npt.NDArray[np.generic]]
Run = Callable[[Weights, npt.NDArray[np.float64]], npt.NDArray[np.float64]]
Build = Callable[[Path, str], tuple[Entries, Run]]


@dataclass(frozen=True)
class Source:
    """Where a file's networks come from, and how to build each."""

    build: Build
    networks: tuple[str, ...]
    repository: str
    commit: str
    files: tuple[str, ...]  # below the folder of clones
    licence: str
    file: str  # what the source's checkpoint files are
    size: tuple[int, int] = FIXED
    batch: int = 2
    float64: bool = True
    packages: tuple[str, ...] = ("torch",)


def stand_in(name: str, **attributes: object) -> types.ModuleType:
    """Stand in for a module that an original imports."""
    module = types.ModuleType(name)
    module.__path__ = []
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def load(path: Path, name: str, edit: Callable[[str], str] = str) -> types.ModuleType:
    """Import a file as a module of the given name."""
    module = types.ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    sys.modules[name] = module
    exec(compile(edit(path.read_text()), str(path), "exec"), module.__dict__)
    return module


def by_torch(net: "torch.nn.Module", prefix: str = "") -> tuple[Entries, Run]:
    """Run a PyTorch network in float64, its keys with a prefix."""
    torch = importlib.import_module("torch")
    entries = tuple(
        (prefix + key, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for key, value in net.state_dict().items()
    )
    net.double().eval()

    def run(state: Weights, batch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        tensors = {key.removeprefix(prefix): torch.from_numpy(v) for key, v in state.items()}
        net.load_state_dict(tensors, strict=True)
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(batch)).numpy(), np.float64)

    return entries, run
