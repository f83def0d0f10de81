"""The library that decodes TIFF, kept from writing on stderr."""

import contextlib
import ctypes
from functools import cache

from PIL import _imaging

__all__ = ["silence_libtiff"]


@cache
def silence_libtiff() -> None:
    """Have libtiff print nothing, once and for the process.

    For each row that it cannot decode it writes a line on stderr, by itself: an image of 222 bytes
    has it write 370 MB, and take a hundred times as long. What is wrong is still raised by Pillow,
    which silences only its warnings (12.0, ``TiffDecode.c``).

    Source: libtiff, TIFFError(3): a handler that is NULL writes nothing. The loader finds the
    function among what Pillow's own module is linked with; where it does not, all stays as it was.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
