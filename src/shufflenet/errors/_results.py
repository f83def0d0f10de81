"""Errors in what was computed or is to be written."""

from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, first_line

__all__ = [
    "AccuracyLost",
    "AnswersChanged",
    "CardFileKept",
    "LabelsChanged",
    "LinkError",
    "NoCacheFolder",
    "ParityError",
    "PrecisionLost",
    "WriteError",
]


class ParityError(ShuffleNetError):
    """An exported or converted network does not compute what the original computes."""

    def __init__(self, what: str, difference: float, allowed: float) -> None:
        super().__init__(
            f"{what} differs from the network by {difference:.3g}, more than the {allowed:.3g} "
            "allowed, so nothing was written. Please report this with the model's name."
        )


class AccuracyLost(ShuffleNetError):
    """An int8 network classifies fewer images correctly than was allowed."""

    def __init__(self, top1: int, of_float: int, images: int, allowed_percent: float) -> None:
        lost = 100 * (of_float - top1) / of_float
        super().__init__(
            f"In int8 the network classifies {top1} of {images} images correctly, {lost:.2f} % "
            f"fewer than the {of_float} in float, more than the {allowed_percent:g} % allowed, so "
            "nothing was written. Allow more with --max-drop, or calibrate on more images with "
            "--images."
        )


class AnswersChanged(ShuffleNetError):
    """An int8 network answers otherwise than the float one for more images than was allowed."""

    def __init__(self, changed: int, images: int, allowed_percent: float) -> None:
        super().__init__(
            f"In int8 the network answers {changed} of {images} images otherwise than in float, "
            f"more than the {allowed_percent:g} % allowed, so nothing was written. Calibrate on "
            "more images with --images, or allow more with --max-drop."
        )


class PrecisionLost(ShuffleNetError):
    """An int8 multi-label network finds classes less well than was allowed; values are 0 to 1."""

    def __init__(self, precision: float, of_float: float, allowed_percent: float) -> None:
        super().__init__(
            f"In int8 the network has a mean average precision of {100 * precision:.2f} %, and in "
            f"float {100 * of_float:.2f} %; {allowed_percent:g} % of that may be lost, so nothing "
            "was written. Allow more with --max-drop, or calibrate on more images with --images."
        )


class LabelsChanged(ShuffleNetError):
    """An int8 multi-label network gives more answers otherwise than float than was allowed."""

    def __init__(self, changed: int, answers: int, allowed_percent: float) -> None:
        super().__init__(
            f"In int8 the network gives or leaves out {changed} classes otherwise than in float, "
            f"which gives {answers}; {allowed_percent:g} % of these may change, so nothing was "
            "written. Calibrate on more images with --images, or allow more with --max-drop."
        )


class LinkError(ShuffleNetError):
    """A linker made no library of generated code.

    Args:
        name: The library's name.
        reason: The linker's first complaint, of which a line's beginning is shown.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The linker cannot make {name!r}: {first_line(Exception(reason))}. Nothing was "
            "written; please report this with the model's name and the target."
        )


class WriteError(ShuffleNetError):
    """A file could not be written whole; the old file is unchanged."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(
            f"Cannot write {str(path)!r}: {reason}. What was there before is unchanged; "
            "make room or choose another place, then run the command again."
        )


class NoCacheFolder(ShuffleNetError):
    """There is no folder to keep files in, for there is no home folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"The cache folder {folder!r} is in a home folder that is not known. "
            "Name another one: export SHUFFLENET_HOME=FOLDER."
        )


class CardFileKept(ShuffleNetError):
    """A model card would replace a file that this package did not write."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            f"{str(path)!r} was not written by `shufflenet card`, or was edited since, so it is "
            "kept. Give another --to, or move it away."
        )
