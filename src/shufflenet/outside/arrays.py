"""Arrays from outside: ``.npy`` files whose headers are compared with their size.

In a file of its own: what needs no array need not wait for NumPy.
"""

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from shufflenet.outside._files import open_regular

__all__ = ["open_array"]


def open_array(path: str | Path) -> npt.NDArray[Any]:
    """Open a ``.npy`` file of numbers as an array, of any shape, that is read where it is used.

    Raises:
        ValueError: it is no such file, holds Python objects, or is not as long as its shape says.
        OSError: it is no regular file, or cannot be read.
    """
    with open_regular(path) as file:
        if file.peek(2)[:2] == b"PK":
            raise ValueError("it is an archive of arrays")
        try:
            shape, is_fortran, dtype = _read_header(file)
        except Exception as error:  # NumPy's parser raises whatever Python's does
            raise ValueError(f"its header is damaged ({type(error).__name__})") from error
        start, size = file.tell(), os.fstat(file.fileno()).st_size
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - start:
            raise ValueError(f"it has {size - start} bytes of numbers, not those of {shape}")
        if size == start:
            return np.empty(shape, dtype)
        return np.memmap(file, dtype, "r", start, shape, "F" if is_fortran else "C")


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether the first axis runs fastest, and the type of the numbers."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    return readers[npy.read_magic(file)](file)
