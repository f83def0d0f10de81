"""How a run is executed, and what it returns."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shufflenet.machine import cores
from shufflenet.spec import AnyAccuracy, DetectionAccuracy, MultiLabelAccuracy

__all__ = ["Result", "Session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How a run is executed; on the CPU in 32 bits none of it changes the weights it ends with.

    Attributes:
        out: The folder of the run.
        resume: Whether to continue the run in that folder.
        workers: Number of processes that decode images.
        accelerator: ``cpu``, ``cuda``, ``mps`` or ``auto``, as in Lightning Fabric.
        precision: ``32-true``, ``bf16-mixed`` or ``64-true``, as in Lightning Fabric.
        devices: Number of devices of a node; each computes its share of every batch.
        nodes: Number of machines.
        compiled: Whether to use ``torch.compile``.
        save_every_s: Seconds between checkpoints.
        stop_after_s: Seconds after which to save and stop; the run can be resumed.
        on_step: Called after a step with its number, the number of all steps, and its loss.
        on_epoch: Called after an epoch with the folder of the run and the validation accuracy.
    """

    out: str | Path
    resume: bool = False
    workers: int = field(default_factory=lambda: min(cores(), 16))
    accelerator: str = "auto"
    precision: str = "32-true"
    devices: int = 1
    nodes: int = 1
    compiled: bool = False
    save_every_s: float = 60.0
    stop_after_s: float = math.inf
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None
    on_epoch: Callable[[Path, AnyAccuracy], None] = lambda run, accuracy: None

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The best epoch of a run so far; ``best`` is ``None`` until the first epoch is done.

    A multi-label network has its accuracy in ``multi_label`` and a detector in ``detection``; they
    have no ``top1`` and ``top5``.
    """

    run: str
    best: str | None
    images: int
    top1: int
    top5: int
    steps: int
    finished: bool
    multi_label: MultiLabelAccuracy | None = None
    detection: DetectionAccuracy | None = None
