"""Errors of a training step: where it failed, what of the run is kept, what to do next."""

from dataclasses import dataclass
from pathlib import Path

import torch

from shufflenet.errors import BatchTooLargeForMemory, FailedStep, LossNotFinite, RunError
from shufflenet.train._batch_memory import advise
from shufflenet.train._state import holds_results, restore_state_before

__all__ = ["FailedBatch", "loss_not_finite", "out_of_memory"]


def loss_not_finite(out: Path, loss: float, step: int, rate: float) -> RunError:
    """Return the error of a loss that is not finite, and make an earlier ``last.pt`` the last.

    Args:
        out: The folder of the run.
        loss: The loss.
        step: The number of steps done before, whose weights gave it.
        rate: The learning rate of the step.
    """
    failed = FailedStep(step, restore_state_before(out, step), _where(out))
    return LossNotFinite(out, failed, loss, rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBatch:
    """A batch that did not fit into memory.

    Attributes:
        device: Whose memory.
        step: The number of steps done before.
        images: Number of images, in all processes.
        size: Their height and width.
        accumulate: In how many parts the batch did not fit.
        parts: See ``BatchTooLarge``.
    """

    device: torch.device
    step: int
    images: int
    size: tuple[int, int]
    accumulate: int
    parts: int | None


def out_of_memory(out: Path, batch: FailedBatch) -> RunError:
    """Return the error of a batch that does not fit into memory, for the run in ``out``."""
    kept = restore_state_before(out, batch.step + 1)
    advice = advise(batch.parts, batch.accumulate, batch.images)
    failed = FailedStep(batch.step, kept, f"{advice}{_where(out)}")
    height, width = batch.size
    px = f"{height}" if height == width else f"{height} x {width}"
    images = f"{batch.images} images of {px} px"
    return BatchTooLargeForMemory(out, failed, images, batch.device)


def _where(out: Path) -> str:
    """Return where to train again: in the same folder unless it holds anything to keep."""
    if not holds_results(out):
        return ""
    best = out / "best.safetensors"
    start = f", from its best epoch by --weights {best}" if best.exists() else ""
    return f", in another --out{start}"
