"""What a pickle is read to: placeholders for classes, objects and arrays; and names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Dtype",
    "Global",
    "Inert",
    "NotNumbers",
    "QuantizedArray",
    "Stored",
    "Unsafe",
    "array_from",
    "is_name",
]

# Packages whose objects training scripts store beside weights: dates, paths, configurations.
_HARMLESS = frozenset((
    "__main__", "addict", "argparse", "collections", "datetime", "easydict", "fractions",
    "lightning", "lightning_fabric", "lightning_utilities", "mmcls", "mmcv", "mmengine",
    "mmpretrain", "numpy", "omegaconf", "pathlib", "pytorch_lightning", "shufflenet", "timm",
    "torch", "torchmetrics", "torchvision", "types", "uuid", "yacs",
))  # fmt: skip

_MAX_NAME = 1000  # characters of a key, a module or a class


class Unsafe(ValueError):
    """The file names something that is neither data nor known to be harmless."""


class NotNumbers(ValueError):
    """An array is of a kind that no weights are of; the text names the kind."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def harmless(self) -> bool:
        """Whether it is of a package whose objects training scripts store."""
        return self.module.split(".")[0] in _HARMLESS


@dataclass(frozen=True, eq=False, slots=True)
class Inert:
    """A placeholder for an object of a harmless class, which is not built."""

    kind: str = ""


def _unread() -> npt.NDArray[np.generic]:
    raise ValueError("an array has no content")


@dataclass(eq=False, slots=True)
class Stored:
    """An array of a file, which is made only when it is asked for.

    Attributes:
        read: Returns it; it raises ``ValueError`` for what is no array of numbers.
        place: Where its numbers are, the same for all arrays of the same numbers; or None.
    """

    read: Callable[[], npt.NDArray[np.generic]] = _unread
    place: tuple[str, int] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class QuantizedArray:
    """Integers that mean ``(integer - zero_point) * scale``, which are read when asked for.

    Attributes:
        integers: The array.
        scale: One number, or an array of one number for each row.
        zero_point: Likewise.
        axis: The axis of the rows.
        shape: The shape of the array, as the file states it.
    """

    integers: Stored
    scale: object
    zero_point: object
    axis: object
    shape: tuple[object, ...]


@dataclass(slots=True)
class Dtype:
    """A NumPy type by its code, such as ``f4``, and its order of bytes."""

    code: str
    order: str = "="

    def numpy(self) -> np.dtype[np.generic]:
        """Return the NumPy type.

        Raises:
            Unsafe: the type is of objects, or of several fields.
        """
        if self.code[:1] not in "biuf" or not self.code[1:].isdigit():
            raise Unsafe(f"arrays of {self.code[:40]!r}")
        return np.dtype(self.order.replace("|", "=") + self.code)


def array_from(
    content: object,
    dtype: object,
    shape: Sequence[int],
    order: Any = "C",  # noqa: ANN401  # NumPy's letters
) -> npt.NDArray[np.generic]:
    """Build an array, ``(*shape,)``, from bytes in the file.

    Raises:
        Unsafe: the content is not bytes, or the type is not one of numbers.
    """
    if isinstance(content, str):  # bytes, written by Python 2
        content = content.encode("latin1")
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, Dtype):
        raise Unsafe("arrays without bytes")
    numbers = np.frombuffer(content, dtype.numpy())
    native = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return native.reshape(shape, order=order)


def is_name(key: object) -> bool:
    """Return whether a key may name weights; to hash others, or compare long ones, may not end."""
    return isinstance(key, str) and len(key) <= _MAX_NAME and key.isprintable()
