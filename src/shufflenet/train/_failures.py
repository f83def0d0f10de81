"""What is said when a step of a run fails: where, what of the run is kept, what to do next."""

from pathlib import Path

import torch

from shufflenet.errors import RunError
from shufflenet.recipes import Recipe
from shufflenet.train._memory import remedy
from shufflenet.train._run import holds_results, keep_state_before

__all__ = ["not_finite", "too_large"]


def not_finite(out: Path, loss: float, step: int, rate: float, *, keep: bool) -> RunError:
    """Tell of a loss that is no number.

    Args:
        out: The folder of the run.
        loss: What was met instead.
        step: The steps done before, whose weights gave it.
        rate: The learning rate of the step.
        keep: Whether this process is the one that sees to it that ``last.pt`` is no checkpoint of
            those weights, where there is one from before.
    """
    kept = keep_state_before(out, step) if keep else None
    return RunError(
        out,
        f"met a loss of {loss} at step {step}, at a learning rate of {rate:.3g}",
        f"{_state(kept)} Train anew with a lower --learning-rate, which --find-rate suggests, or "
        f"with --clip 1{_place(out)}.",
    )


def too_large(
    out: Path, device: torch.device, recipe: Recipe, step: int, px: int, parts: int | None
) -> RunError:
    """Tell of a batch that does not fit into a device's memory.

    Args:
        out: The folder of the run.
        device: Whose memory.
        recipe: Its ``batch_size`` and ``accumulate`` did not fit.
        step: The steps done before.
        px: The size of the images.
        parts: In how many parts the batch fits; none if not even image by image, or not known.
    """
    kept = keep_state_before(out, step + 1)
    return RunError(
        out,
        f"ran out of the memory of {device} at step {step}, with a batch of {recipe.batch_size} "
        f"images of {px} px",
        f"{_state(kept)} To train anew, "
        f"{remedy(parts, recipe.accumulate, recipe.batch_size)}{_place(out)}.",
    )


def _state(kept: int | None) -> str:
    if kept is None:
        return "No checkpoint was written before."
    return f"Its last good checkpoint, of step {kept}, is kept."


def _place(out: Path) -> str:
    """Say where to train anew: in the same folder, as long as there is nothing in it to keep."""
    if not holds_results(out):
        return ""
    best = out / "best.safetensors"
    start = f", from its best epoch by --weights {best}" if best.exists() else ""
    return f", in another --out{start}"
