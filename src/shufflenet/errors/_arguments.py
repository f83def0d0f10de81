"""Errors in arguments: values out of range, unknown names, packages that are not installed."""

import re
from collections.abc import Iterable

from shufflenet.errors._base import ShuffleNetError, shown

__all__ = [
    "MissingDependency",
    "NoWeights",
    "NotJson",
    "SpecError",
    "UnknownClass",
    "UnknownName",
]


_ALIKE = 0.7  # of 1, as difflib counts: what is less alike is no slip of the keys
# Source: https://pytorch.org/get-started/locally, pip on Linux without CUDA.
_CPU = "pip install torch --index-url https://download.pytorch.org/whl/cpu"


class SpecError(ShuffleNetError, ValueError):
    """A field of a value is outside what is allowed."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} is {shown(value)}, but must be {expected}.")


class NotJson(SpecError):
    """A text from outside is no JSON, or JSON beyond the bounds.

    Args:
        what: What the text is, such as "the card".
        reason: What is wrong with it.
    """

    def __init__(self, what: str, reason: object) -> None:
        ShuffleNetError.__init__(self, f"{what} is not JSON that can be read: {reason}.")


class UnknownName(ShuffleNetError, ValueError):
    """Nothing of that kind has that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        import difflib  # noqa: PLC0415  # time that predictions save

        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Known: {', '.join(known)}." if len(known) <= 12 else "See all: shufflenet list."
        hint = f"Did you mean {near[0]!r}?" if near else hint
        super().__init__(f"No {kind} is called {name!r}. {hint}")


class UnknownClass(ShuffleNetError, ValueError):
    """A model has no class of that name.

    Args:
        name: What was given.
        known: The identifiers and the names of its classes.
        classes: How many classes there are.
    """

    def __init__(self, name: str, known: Iterable[str], classes: int) -> None:
        import difflib  # noqa: PLC0415  # time that predictions save

        names = sorted(known, key=lambda each: (len(each), each))
        word = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
        near = [each for each in names if name.strip() and word.search(each)]
        near = near or difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        super().__init__(
            f"The model has no class {shown(name)}. {hint}"
            f"Give a name or an identifier that one class has, or an index from 0 to {classes - 1}."
        )


class NoWeights(ShuffleNetError, ValueError):
    """A network was named where weights are needed."""

    def __init__(self, network: str, weights: Iterable[str]) -> None:
        remedy = "Train it: shufflenet train --help"
        for name in weights:
            remedy = f"Name weights of it, such as {name!r}: shufflenet list {network}"
            break
        super().__init__(f"{network!r} is a network, without weights. {remedy}.")


class MissingDependency(ShuffleNetError):
    """A feature needs a package that is installed by one of this package's extras.

    Args:
        what: The feature, as the subject of a sentence.
        package: The package.
        extra: The extra that installs it.
        instead: What to do without it: a sentence.
    """

    def __init__(self, what: str, package: str, extra: str, instead: str = "") -> None:
        cpu = f" Without a GPU, install torch's CPU build before, which is far smaller: {_CPU}"
        super().__init__(
            f"{what} needs the package {package!r}, which is not installed. "
            f"Install it: pip install 'shufflenet[{extra}]'.{instead and ' ' + instead}"
            f"{cpu if package == 'torch' else ''}"
        )
