"""Memory that machine code reads and writes."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["LINE_BYTES", "Array", "aligned"]

LINE_BYTES = 64  # of a cache line

Array: TypeAlias = npt.NDArray[Any]


def aligned(elements: int, dtype: npt.DTypeLike) -> Array:
    """Return zeros, ``(elements,)``, that begin at a cache line."""
    size = elements * np.dtype(dtype).itemsize
    block = np.zeros(size + LINE_BYTES, np.uint8)
    start = -block.ctypes.data % LINE_BYTES
    return block[start : start + size].view(dtype)
