"""Every error this package raises on purpose.

ShuffleNetError             something the caller can act on; the command line exits with 1
├── SpecError               a value that describes no network, no preprocessing, no recipe
├── UnknownName             a name that the catalogue, or a recipe, does not hold
├── NoWeights               a network where a set of weights is needed
├── MissingDependency       a package that only an extra installs
├── ImageError              a file that is no readable image
├── DataError               a data set that cannot be trained on or evaluated
├── CheckpointError         a model file that is damaged, foreign or has no card
├── CheckpointMismatch      weights that do not fit the network
├── TeacherMismatch         a network to learn from that knows other classes
├── DownloadError           a published file that could not be had, or is not what was published
├── LayoutError             weights that another project has no place for
├── RunError                a run folder that cannot be used as asked
├── ParityError             an exported file that computes something else
├── AccuracyLost            an int8 network that answers fewer images rightly than was allowed
└── WriteError              a file that could not be written; the one before it is untouched
"""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "AccuracyLost",
    "CheckpointError",
    "CheckpointMismatch",
    "DataError",
    "DownloadError",
    "ImageError",
    "LayoutError",
    "MissingDependency",
    "NoWeights",
    "ParityError",
    "RunError",
    "ShuffleNetError",
    "SpecError",
    "TeacherMismatch",
    "UnknownName",
    "WriteError",
]


class ShuffleNetError(Exception):
    """The base of every error raised here on purpose; its text is a whole sentence."""


class SpecError(ShuffleNetError):
    """A field of a value is outside what is allowed."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} is {value!r}, but must be {expected}.")


class UnknownName(ShuffleNetError):
    """Nothing of that kind goes by that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Known: {', '.join(known)}." if len(known) <= 12 else "See all: shufflenet list."
        hint = f"Did you mean {near[0]!r}?" if near else hint
        super().__init__(f"No {kind} is called {name!r}. {hint}")


class NoWeights(ShuffleNetError):
    """A network was named where weights are needed."""

    def __init__(self, network: str, weights: Iterable[str]) -> None:
        remedy = "Train it: shufflenet train --help"
        for name in weights:
            remedy = f"Name weights of it, such as {name!r}: shufflenet list {network}"
            break
        super().__init__(f"{network!r} is a network, without weights. {remedy}.")


class MissingDependency(ShuffleNetError):
    """What was asked for needs a package that an extra of this one installs."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package {package!r}, which is not installed. "
            f"Install it: pip install 'shufflenet[{extra}]'."
        )


class ImageError(ShuffleNetError):
    """A file cannot be read as an image."""

    def __init__(self, name: str, problem: str) -> None:
        self.problem = problem
        super().__init__(f"Cannot read {name!r} as an image: {problem}.")


class DataError(ShuffleNetError):
    """A data set is not what training or evaluation needs."""

    def __init__(self, source: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"The data in {str(source)!r} {problem}. {remedy}")


class CheckpointError(ShuffleNetError):
    """A model file cannot be used."""

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"The file {str(path)!r} {problem}. {remedy}")


class CheckpointMismatch(ShuffleNetError):
    """A set of weights does not fit the network it was given to."""

    def __init__(self, network: str, differences: Iterable[str]) -> None:
        differences = list(differences)
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        super().__init__(
            f"The weights do not fit {network!r}: {'; '.join(differences[:3])}{more}. "
            "Use weights of this very network."
        )


class TeacherMismatch(ShuffleNetError):
    """A network to learn from does not know the classes that are to be learnt."""

    def __init__(self, teacher: str, unknown: Sequence[str], classes: int) -> None:
        super().__init__(
            f"The teacher {teacher!r} does not know {len(unknown)} of {classes} classes, such as "
            f"{unknown[0]!r}. Use one that was trained on the same classes."
        )


class DownloadError(ShuffleNetError):
    """A published file cannot be had, or what came is not what was published."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"The weights {name!r} {problem}. {remedy}")


class LayoutError(ShuffleNetError):
    """A set of weights cannot be written in the layout of another project."""

    def __init__(self, network: str, layout: str, reason: str) -> None:
        super().__init__(
            f"{network!r} cannot be written for {layout}: {reason}. "
            "Keep it as .safetensors, or export it as ONNX: shufflenet export --help."
        )


class RunError(ShuffleNetError):
    """A run folder cannot be started or resumed as asked."""

    def __init__(self, run: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"The run folder {str(run)!r} {problem}. {remedy}")


class ParityError(ShuffleNetError):
    """An exported network does not compute what the network computes."""

    def __init__(self, what: str, difference: float, allowed: float) -> None:
        super().__init__(
            f"{what} differs from the network by {difference:.3g}, more than the {allowed:.3g} "
            "allowed, so nothing was written. Please report this with the model's name."
        )


class AccuracyLost(ShuffleNetError):
    """An int8 network answers fewer images rightly than was allowed."""

    def __init__(self, top1: int, of_float: int, images: int, allowed_percent: float) -> None:
        lost = 100 * (of_float - top1) / of_float
        super().__init__(
            f"In int8 the network answers {top1} of {images} images rightly, {lost:.2f} % fewer "
            f"than the {of_float} in float, more than the {allowed_percent:g} % allowed, so "
            "nothing was written. Allow more with --max-drop, or calibrate on more images with "
            "--images."
        )


class WriteError(ShuffleNetError):
    """A file could not be written whole; what stood there before still does."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(
            f"Cannot write {str(path)!r}: {reason}. What stood there before is unchanged; "
            "make room or choose another place, then run the command again."
        )
