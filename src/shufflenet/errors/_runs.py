"""Errors of training runs and their folders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, count_of, first_line

__all__ = [
    "BatchTooLargeForMemory",
    "FailedStep",
    "HeldOutListDamaged",
    "HeldOutMissing",
    "HeldOutWithoutBoxes",
    "LossNotFinite",
    "NoHeldOutList",
    "NoRun",
    "ProcessLost",
    "ProcessesDiffer",
    "RunByOlderVersion",
    "RunCheckpointDamaged",
    "RunDiffers",
    "RunError",
    "RunExists",
    "RunFileDamaged",
    "RunInData",
    "RunInUse",
    "TeacherMismatch",
    "TeacherOfOtherChannels",
]


class TeacherMismatch(ShuffleNetError):
    """A network to learn from does not know the classes that are to be learned."""

    def __init__(self, teacher: str, unknown: Sequence[str], classes: int) -> None:
        super().__init__(
            f"The teacher {teacher!r} does not know {len(unknown)} of {classes} classes, such as "
            f"{unknown[0]!r}. Use one that was trained on the same classes."
        )


class TeacherOfOtherChannels(ShuffleNetError):
    """A network to learn from takes channels that cannot be made of those that are trained on.

    Args:
        teacher: Its name or file.
        takes: Its channels, and how many.
        given: Those that are trained on, and how many.
    """

    def __init__(self, teacher: str, takes: tuple[str, int], given: tuple[str, int]) -> None:
        super().__init__(
            f"The teacher {teacher!r} takes {_channels(*takes)}, and {_channels(*given)} is what "
            "is trained on. Use a teacher that was trained on such images."
        )


def _channels(name: str, count: int) -> str:
    return f"{name} of {count_of(count, 'channel')}"


class RunError(ShuffleNetError):
    """A run folder cannot be started or resumed with these arguments, or training failed."""

    def __init__(self, run: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"The run folder {str(run)!r} {problem}. {remedy}")


# --- starting and resuming ---


class RunInUse(RunError):
    """Another process trains in the folder."""

    def __init__(self, run: str | Path) -> None:
        remedy = "Wait until that has ended, or choose another --out."
        super().__init__(run, "is in use: another process trains in it", remedy)


class RunInData(RunError):
    """The folder of a run is below the images: its curves would be an image of a class ``run``."""

    def __init__(self, run: str | Path, data: str) -> None:
        problem = f"is in the data {data!r}, where its files would later be taken for a class"
        super().__init__(run, problem, "Choose an --out outside of the data.")


class RunExists(RunError):
    """A new run was to start in a folder that holds the results of one."""

    def __init__(self, run: str | Path) -> None:
        remedy = "Continue it with --resume, or choose another --out."
        super().__init__(run, "already holds a run", remedy)


class NoRun(RunError):
    """A run was to be resumed in a folder that holds none."""

    def __init__(self, run: str | Path) -> None:
        super().__init__(run, "holds no run", "Start one by leaving out --resume.")


class RunFileDamaged(RunError):
    """The run's record, ``run.json``, cannot be parsed."""

    def __init__(self, run: str | Path, cause: Exception) -> None:
        remedy = "Train again with another --out."
        super().__init__(run, f"has a damaged run.json ({first_line(cause)})", remedy)


class RunDiffers(RunError):
    """A run was to be resumed with other arguments or other data.

    Args:
        run: The folder.
        part: What differs, such as "recipe".
        difference: The fields that differ.
        data: Whether that part depends on files, which may have changed, and not on arguments.
    """

    def __init__(self, run: str | Path, part: str, difference: str, *, data: bool) -> None:
        remedy = (
            "Resume with the arguments it was started with, which its run.json holds; only "
            "--epochs and --patience may change."
        )
        if data:
            remedy = (
                "Restore the data and their options as they were, or train again with another "
                "--out."
            )
        super().__init__(
            run,
            f"belongs to a run with {'other' if data else 'another'} {part} ({difference})",
            remedy,
        )


class RunCheckpointDamaged(RunError):
    """None of the run's resumable checkpoints can be loaded."""

    def __init__(self, run: str | Path, name: str, cause: Exception) -> None:
        reason = first_line(cause)
        remedy = "Its best.safetensors can still be used: train again with --weights and another "
        super().__init__(run, f"has a damaged checkpoint, {name} ({reason})", f"{remedy}--out.")


class RunByOlderVersion(RunError):
    """The run's checkpoints store weights in an order that this version does not load."""

    def __init__(self, run: str | Path) -> None:
        super().__init__(
            run,
            "was started by an older version, which stored weights in another order",
            "Train again with another --out, from its best.safetensors by --weights.",
        )


# --- the images of a run ---


class NoHeldOutList(RunError):
    """The folder of a run does not say which images were held out."""

    def __init__(self, run: str | Path) -> None:
        remedy = "Give the images themselves: a folder with one folder per class."
        super().__init__(run, "has no held-out.csv, the list of images that it held out", remedy)


class HeldOutListDamaged(RunError):
    """The list of the images that a run held out cannot be parsed."""

    def __init__(self, run: str | Path, cause: Exception) -> None:
        remedy = "Give the images themselves: a folder with one folder per class."
        super().__init__(run, f"has a damaged held-out.csv ({first_line(cause)})", remedy)


class HeldOutMissing(RunError):
    """Images that a run held out are gone from where they were."""

    def __init__(self, run: str | Path, missing: Sequence[str], images: int) -> None:
        super().__init__(
            run,
            f"held out {count_of(images, 'image')}, of which {len(missing)} are gone, such as "
            f"{missing[0]!r}",
            "Put them back, or give their folder itself.",
        )


class HeldOutWithoutBoxes(RunError):
    """A detector was to be measured on the images of a run, whose list of them has no boxes."""

    def __init__(self, run: str | Path) -> None:
        super().__init__(
            run,
            "lists the images that it held out without their boxes",
            f"Name images with boxes: --data DATA --model {str(run)!r}.",
        )


# --- failing steps ---


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step of a run that failed.

    Attributes:
        step: The number of steps done before.
        kept: The step of the last good checkpoint; None if there is none.
        restart: How to start again, such as ", in another --out": the end of a sentence.
    """

    step: int
    kept: int | None
    restart: str

    @property
    def state(self) -> str:
        """A sentence on what of the run is kept."""
        if self.kept is None:
            return "There is no earlier checkpoint."
        return f"Its last good checkpoint, of step {self.kept}, is kept."


class LossNotFinite(RunError):
    """The loss of a step is infinite or NaN."""

    def __init__(self, run: str | Path, failed: FailedStep, loss: float, rate: float) -> None:
        super().__init__(
            run,
            f"met a loss of {loss} at step {failed.step}, at a learning rate of {rate:.3g}",
            f"{failed.state} Train again with a lower --learning-rate, which --find-rate suggests, "
            f"or with --clip 1{failed.restart}.",
        )


class BatchTooLargeForMemory(RunError):
    """A batch, such as "32 images of 224 px", does not fit into the memory of a device."""

    def __init__(self, run: str | Path, failed: FailedStep, batch: str, device: object) -> None:
        super().__init__(
            run,
            f"ran out of the memory of {device} at step {failed.step}, with a batch of {batch}",
            f"{failed.state} To train again, {failed.restart}.",
        )


# --- several processes ---


class ProcessesDiffer(RunError):
    """The processes that train in a folder together were started with other arguments or data.

    Args:
        run: The folder.
        difference: What differs, in which processes.
    """

    def __init__(self, run: str | Path, difference: str) -> None:
        remedy = "Start the same command with the same data on every machine."
        super().__init__(run, f"is shared by processes that differ ({difference})", remedy)


class ProcessLost(RunError):
    """Another process of a run, here or on another machine, has ended or does not answer."""

    def __init__(self, run: str | Path, cause: Exception) -> None:
        # Gloo begins with a file of its source in brackets, and ends with advice.
        text = re.sub(r"^\[[^\]]*\] ", "", str(cause)).partition(". ")[0]
        reason = first_line(RuntimeError(text))
        super().__init__(
            run,
            f"lost another process that trains in it ({reason})",
            "That one may have said why. Continue from the last checkpoint by the same commands "
            "with --resume.",
        )
