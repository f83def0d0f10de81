"""What is said when a step of a run fails: where, what of the run is kept, what to do next."""

from pathlib import Path

import torch

from shufflenet.errors import RunError
from shufflenet.train._memory import remedy
from shufflenet.train._run import holds_results, keep_state_before

__all__ = ["not_finite", "too_large"]


def not_finite(out: Path, loss: float, step: int, rate: float) -> RunError:
    """Tell of a loss that is no number; ``last.pt`` is no checkpoint of those weights then.

    Args:
        out: The folder of the run.
        loss: What was met instead.
        step: The steps done before, whose weights gave it.
        rate: The learning rate of the step.
    """
    kept = keep_state_before(out, step)
    return RunError(
        out,
        f"met a loss of {loss} at step {step}, at a learning rate of {rate:.3g}",
        f"{_state(kept)} Train anew with a lower --learning-rate, which --find-rate suggests, or "
        f"with --clip 1{_place(out)}.",
    )


def too_large(
    out: Path,
    device: torch.device,
    accumulate: int,
    step: int,
    batch: tuple[int, int],
    parts: int | None,
) -> RunError:
    """Tell of a batch that does not fit into a device's memory.

    Args:
        out: The folder of the run.
        device: Whose memory.
        accumulate: In how many parts the batch did not fit.
        step: The steps done before.
        batch: How many images there are in it, in all processes, and their size in pixels.
        parts: See ``TooLarge``.
    """
    kept = keep_state_before(out, step + 1)
    return RunError(
        out,
        f"ran out of the memory of {device} at step {step}, with a batch of {batch[0]} "
        f"images of {batch[1]} px",
        f"{_state(kept)} To train anew, {remedy(parts, accumulate, batch[0])}{_place(out)}.",
    )


def _state(kept: int | None) -> str:
    if kept is None:
        return "There is no good checkpoint from before."
    return f"Its last good checkpoint, of step {kept}, is kept."


def _place(out: Path) -> str:
    """Say where to train anew: in the same folder, as long as there is nothing in it to keep."""
    if not holds_results(out):
        return ""
    best = out / "best.safetensors"
    start = f", from its best epoch by --weights {best}" if best.exists() else ""
    return f", in another --out{start}"
