"""Two runs compared: where their last checkpoints differ, and by how much."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

__all__ = ["differences"]


def differences(one: Path, other: Path) -> list[str]:
    """Return a line for each difference of two runs' checkpoints; none if all bits are equal.

    Weights, optimizer, averages and progress are compared.
    """
    return list(_differences("", *(_read(run / "last.pt") for run in (one, other))))


def _read(path: Path) -> object:
    state: object = torch.load(path, weights_only=True)
    return state


def _differences(name: str, one: object, other: object) -> Iterator[str]:
    match one, other:
        case torch.Tensor(), torch.Tensor() if one.shape == other.shape:
            if not torch.equal(one, other):
                count, most = int((one != other).sum()), float((one - other).abs().max())
                yield f"{name}: {count} of {one.numel()} numbers, by at most {most:.3g}"
        case Mapping(), Mapping() if one.keys() == other.keys():
            for key in one:
                yield from _differences(f"{name}.{key}".lstrip("."), one[key], other[key])
        case list(), list() if len(one) == len(other):
            for number, pair in enumerate(zip(one, other, strict=True)):
                yield from _differences(f"{name}.{number}", *pair)
        case _:
            if isinstance(one, torch.Tensor) or one != other:
                yield f"{name}: {one} and {other}"
