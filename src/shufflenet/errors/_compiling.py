"""Errors in compiling a network: targets, processors, files and layers."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError
from shufflenet.errors._model_files import CheckpointError
from shufflenet.errors._runtimes import _OTHER_RUNTIME

__all__ = [
    "CompileError",
    "MapsDoNotFit",
    "NotCompilable",
    "NotForPages",
    "OtherBinary",
    "TooLargeToCompile",
    "UnknownProcessor",
    "UnknownTarget",
]


def _hint(name: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else otherwise


class UnknownTarget(ShuffleNetError, ValueError):
    """No target has that name, and LLVM writes no code for such a triple here."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        hint = _hint(name, known, "See all: shufflenet compile --list-targets.")
        super().__init__(
            f"{name!r} is neither a target nor one of LLVM's triples that code is written for. "
            f"{hint}"
        )


class UnknownProcessor(ShuffleNetError, ValueError):
    """LLVM knows no such processor, or no such feature, of an architecture.

    Args:
        kind: "processor" or "feature".
        name: What was given.
        triple: The target's triple.
        known: What there is.
    """

    def __init__(self, kind: str, name: str, triple: str, known: Iterable[str]) -> None:
        option = "--cpu" if kind == "processor" else "--features"
        hint = _hint(name, known, f"See all: {option} help.")
        super().__init__(f"LLVM knows no {kind} {name!r} of {triple}. {hint}")


class OtherBinary(ShuffleNetError, ValueError):
    """A file of that kind cannot be made for that target.

    Args:
        path: The file to write.
        what: What the target is made into, such as ".o, .a or .wasm".
        target: The target's name.
    """

    def __init__(self, path: str | Path, what: str, target: str) -> None:
        super().__init__(f"The file {str(path)!r} must end in {what} to be compiled for {target}.")


class NotCompilable(CheckpointError):
    """The file's network has something for which no machine code is written."""

    def __init__(self, path: str | Path, feature: str) -> None:
        super().__init__(
            path,
            f"has {feature}, for which no machine code is written",
            "Compile what shufflenet export or shufflenet quantize wrote of a V1 or V2.",
        )


class NotForPages(CheckpointError):
    """The file's network takes images that a page cannot make of photos."""

    def __init__(self, path: str | Path, images: str) -> None:
        super().__init__(
            path,
            f"takes {images}, which a page cannot make of photos",
            "Compile it with --target wasm32 to a .wasm file, and prepare images in your program.",
        )


class CompileError(ShuffleNetError, ValueError):
    """No machine code is generated for a network.

    Args:
        feature: What it has, as the object of a sentence.
    """

    def __init__(self, feature: str) -> None:
        self.feature = feature
        super().__init__(
            f"The network has {feature}, for which no machine code is generated. {_OTHER_RUNTIME}"
        )


class TooLargeToCompile(CompileError):
    """Machine code would take too long to compile, or too much memory to run.

    Args:
        what: What there is too much of: "windows of 127 px".
        most: The most that is compiled: "15 px".
    """

    def __init__(self, what: str, most: str) -> None:
        super().__init__(f"{what}, more than {most}")


class MapsDoNotFit(CompileError):
    """A layer reads or writes what no map holds.

    Args:
        problem: What does not fit, as a sentence without a full stop.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"layers that do not fit each other ({problem})")
