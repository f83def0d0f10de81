"""The state of a run: all that resuming needs, saved and loaded."""

import dataclasses
import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from shufflenet.errors import RunByOlderVersion, RunCheckpointDamaged, SpecError
from shufflenet.files import write_atomic
from shufflenet.outside import open_regular, typed
from shufflenet.spec import AnyAccuracy

__all__ = [
    "Parts",
    "Progress",
    "holds_results",
    "load_state",
    "restore_state",
    "restore_state_before",
    "save_state",
    "state_bytes",
]

_log = logging.getLogger(__name__)
_STATES = _LAST, _BEFORE = "last.pt", "last-but-one.pt"

# What a checkpoint holds the state of, by name.
Parts: TypeAlias = Mapping[str, nn.Module | torch.optim.Optimizer]


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is; saved with every checkpoint.

    Attributes:
        step: The number of steps done.
        loss: Sum of the loss over the images of the epoch so far.
        images: Images of the epoch so far; 0 once it is measured.
        best: Validation accuracy of the best epoch; ``None`` before the first is done.
        best_epoch: Number of the best epoch, counted from 1; 0 if no epoch was better than the
            network before it was trained.
        watched_from: The epochs that were done when the run was last resumed with other patience
            or epochs: patience counts from there.
    """

    step: int = 0
    loss: float = 0.0
    images: int = 0
    best: AnyAccuracy | None = None
    best_epoch: int = 0
    watched_from: int = 0

    def __post_init__(self) -> None:
        if min(self.step, self.images, self.best_epoch, self.watched_from) < 0:
            raise SpecError("the progress", (self.step, self.images), "of numbers of 0 or more")


def holds_results(out: Path) -> bool:
    """Return whether a folder holds a checkpoint or a measured epoch of a run."""
    return any((out / name).exists() for name in (*_STATES, "metrics.jsonl"))


def save_state(out: Path, parts: Parts, progress: Progress) -> None:
    """Write all that resuming needs to ``last.pt``; the one before becomes ``last-but-one.pt``.

    Raises:
        WriteError: the disk is full; the checkpoint before is unchanged.
    """
    write_atomic(out / _LAST, state_bytes(parts, progress), former=out / _BEFORE)


def state_bytes(parts: Parts, progress: Progress) -> bytes:
    """Return what a checkpoint holds, as the bytes of its file."""
    buffer = io.BytesIO()
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save(state | {"progress": dataclasses.asdict(progress)}, buffer)
    return buffer.getvalue()


def restore_state(content: bytes, parts: Parts) -> Progress:
    """Load what ``state_bytes`` returned, in another process, into ``parts``."""
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return _restore(state, parts)


def load_state(out: Path, parts: Parts) -> Progress:
    """Load the last checkpoint into ``parts``, or the one before it, with a warning, if damaged.

    Returns:
        The progress of the checkpoint; that of a new run if there is none.

    Raises:
        RunCheckpointDamaged: both are damaged.
        RunByOlderVersion: it stores weights in an order of before.
    """
    damaged: dict[str, Exception] = {}
    for path in (out / _LAST, out / _BEFORE):
        if not path.exists():
            continue
        try:
            progress = _load(path, parts)
        except RunByOlderVersion:
            raise
        except Exception as error:  # noqa: BLE001  # loading a damaged file may raise anything
            damaged[path.name] = error
            continue
        for name in damaged:
            _log.warning("%s in %s is damaged: using %s instead.", name, out, path.name)
        return progress
    for name, fault in damaged.items():
        raise RunCheckpointDamaged(out, name, fault) from fault
    return Progress()  # killed before the first checkpoint


def _load(path: Path, parts: Parts) -> Progress:
    state = _read(path)
    if "net" in state:
        raise RunByOlderVersion(path.parent)
    return _restore(state, parts)


def _restore(state: Mapping[str, Any], parts: Parts) -> Progress:
    progress = typed(state["progress"], Progress, "the progress")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return progress


def restore_state_before(out: Path, step: int) -> int | None:
    """Make the last checkpoint one of fewer than ``step`` steps: the one before, if need be.

    Returns:
        The number of steps of the last checkpoint; ``None`` if there is none of fewer steps.
    """
    steps = {path: _step_of(path) for path in (out / _LAST, out / _BEFORE)}
    usable = [path for path, taken in steps.items() if taken is not None and taken < step]
    if not usable:
        return None
    if usable[0] != out / _LAST:
        os.replace(usable[0], out / _LAST)
    return steps[usable[0]]


def _step_of(path: Path) -> int | None:
    try:
        return int(_read(path)["progress"]["step"])
    except Exception:  # noqa: BLE001  # a damaged file may raise anything; or there is none
        return None


def _read(path: Path) -> Any:  # noqa: ANN401  # whatever the file holds
    with open_regular(path) as file:
        return torch.load(file, map_location="cpu", weights_only=True)
