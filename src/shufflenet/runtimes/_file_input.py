"""What a file takes as its input, and the images that callers give converted to it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess import Pixels, normalize
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._inputs import check_batch, check_pixels, to_pixels
from shufflenet.spec import Card

__all__ = ["INPUT_KEY", "FileInput"]

INPUT_KEY = "shufflenet.input"  # of a file's metadata: "pixels" from 0 to 255, or "normalized"


@dataclass(frozen=True, slots=True)
class FileInput:
    """The input of a file, ``(n, c, h, w)``.

    Attributes:
        card: The file's card.
        takes_bytes: Whether it takes RGB from 0 to 255, rather than prepared images.
        sizes: The sizes that it is for.
    """

    card: Card
    takes_bytes: bool
    sizes: FixedSizes = field(default_factory=FixedSizes)

    def from_batch(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | Pixels:
        """Convert prepared images ``(n, c, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, is not finite, or is of another size.
        """
        batch = check_batch(batch, self.card)
        self.sizes.check(batch.shape[2:])
        return to_pixels(batch, self.card.preprocess) if self.takes_bytes else batch

    def from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32] | Pixels:
        """Convert cropped images, pixels ``(n, h, w, c)``.

        A file that takes bytes gets them as they are, transposed; no float is computed.

        Raises:
            SpecError: the pixels have another shape or type, or are of another size.
        """
        pixels = check_pixels(pixels, self.card)
        self.sizes.check(pixels.shape[1:3])
        if self.takes_bytes:
            return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return normalize(pixels, self.card.preprocess)
