"""Weights, biases and scales as ncnn stores them."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.files import NCNN_FLOAT16, NCNN_FLOAT32, NCNN_INT8, narrow

__all__ = ["plain_bytes", "weight_bytes"]

_ALIGNMENT = 4


def weight_bytes(weight: npt.NDArray[Any], *, half: bool) -> bytes:
    r"""Return weights with the four bytes that say how they are stored.

    Args:
        weight: int8, or float32, of any shape.
        half: Whether to store float32 as float16 even where that loses something.

    >>> weight_bytes(np.array([1, -1, 2], np.int8), half=False)
    b'8K\r\x00\x01\xff\x02\x00'
    """
    if weight.dtype == np.int8:
        return _tagged(NCNN_INT8, weight.tobytes())
    stored = weight.astype(np.float16) if half else narrow(weight)
    if stored.dtype == np.float16:
        return _tagged(NCNN_FLOAT16, stored.astype("<f2").tobytes())
    return _tagged(NCNN_FLOAT32, weight.astype("<f4").tobytes())


def plain_bytes(values: npt.ArrayLike) -> bytes:
    """Return biases or scales, which are always float32."""
    return np.asarray(values, "<f4").tobytes()


def _tagged(tag: int, content: bytes) -> bytes:
    return struct.pack("<I", tag) + content + bytes(-len(content) % _ALIGNMENT)
