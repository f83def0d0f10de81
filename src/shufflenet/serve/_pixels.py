"""The pixels of a request: bounded together, for a file of some bytes may hold millions."""

import threading

from shufflenet.errors import ImageError
from shufflenet.preprocess import read_header
from shufflenet.serve._limits import Limits

__all__ = ["Pixels"]


class Pixels:
    """What the images of one request may still hold; several threads take from it."""

    def __init__(self, limits: Limits) -> None:
        self._each, self._left = limits.pixels, limits.request_pixels
        self._lock = threading.Lock()

    def take(self, picture: bytes) -> None:
        """Count an image, by its header, one of many channels several times.

        Raises:
            ImageError: it cannot be read, has more pixels than ``Limits.pixels``, or more than the
                images before it have left.
        """
        pixels = read_header(picture, "image", self._each).pixels
        with self._lock:
            if pixels > self._left:
                problem = "the images before it hold all pixels that one request may; send it alone"
                raise ImageError("image", problem)
            self._left -= pixels
