"""Where the part of a photo that a network sees, and the cells of its last feature map, lie."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess import scaled_size
from shufflenet.spec import Card, Preprocess

__all__ = ["Part", "cell_px", "seen"]


def seen(width: int, height: int, how: Preprocess) -> tuple[tuple[float, float], ...]:
    """Return where the input of a network begins and ends on a photo: across, and down, in pixels.

    Where the photo is padded, that is outside of it. The half pixel by which a crop may be off the
    center is left out.

    >>> seen(640, 480, Preprocess(resize_px=240, crop_px=120))
    ((200.0, 440.0), (120.0, 360.0))
    >>> seen(640, 480, Preprocess(resize_px=120, crop_px=120, fit="pad"))
    ((0.0, 640.0), (-80.0, 560.0))
    >>> seen(640, 480, Preprocess(resize_px=120, crop_px=120, fit="squash"))
    ((0.0, 640.0), (0.0, 480.0))
    """
    to_width, to_height = scaled_size(width, height, how)
    across, down = how.width_px * width / to_width, how.height_px * height / to_height
    return (
        ((width - across) / 2, (width + across) / 2),
        ((height - down) / 2, (height + down) / 2),
    )


def cell_px(card: Card) -> int:
    """Return how many pixels of the input lie between two cells of the last feature map.

    The cell in row i and column j is centered on the pixel ``(i * cell_px, j * cell_px)``: as a
    layer of stride 2 pads by one pixel, its output i is computed from the inputs around 2 i.
    """
    network = card.network
    return network.stem_stride * math.prod(stage.stride for stage in network.stages)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of one side of a picture that shows the input of a network.

    Attributes:
        start: Where the input begins, in pixels; it may lie before the picture.
        stop: Where it ends.
        first: The first pixel of the picture that shows it.
        end: The pixel after the last one; there is at least one.
        size: The pixels of the picture's side.
    """

    start: float
    stop: float
    first: int
    end: int
    size: int

    @classmethod
    def of(cls, start: float, stop: float, size: int) -> "Part":
        """Return the part between two places, rounded to whole pixels of the picture.

        >>> Part.of(-3, 2.6, size=10)
        Part(start=-3, stop=2.6, first=0, end=3, size=10)
        """
        first = min(max(round(start), 0), size - 1)
        return cls(start, stop, first, max(min(round(stop), size), first + 1), size)

    @property
    def is_smaller(self) -> bool:
        """Whether the picture shows more than the part."""
        return self.end - self.first < self.size

    def positions(self, input_px: int, cell: int) -> npt.NDArray[np.float64]:
        """Return where the pixels' centers lie, in cells from the center of the first one.

        Args:
            input_px: The pixels of the input along this side.
            cell: The pixels of the input from one cell's center to the next.

        >>> Part.of(0, 4, size=4).positions(64, cell=32)  # 0 is half a pixel after the edge
        array([0.234375, 0.734375, 1.234375, 1.734375])
        """
        centers = np.arange(self.first, self.end) + 0.5
        pixels = (centers - self.start) / (self.stop - self.start) * input_px
        return (pixels - 0.5) / cell
