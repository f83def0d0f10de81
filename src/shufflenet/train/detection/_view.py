"""What part of a photo a detector in training sees, where it lies in the input, and its boxes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess import placement
from shufflenet.spec import Preprocess

__all__ = ["Boxes", "Span", "View", "draw_view", "view_of"]

Boxes = npt.NDArray[np.float32]

_VISIBLE = 0.3  # of a box, at least, for it to be learned
_LEAST_PX = 1.0  # of a side of a box in the input


@dataclass(frozen=True, slots=True)
class Span:
    """The pixels of a photo that are shown along one axis, and where in the input.

    Attributes:
        start: The first pixel of the photo.
        stop: The one after the last.
        to_start: The first pixel of the input.
        to_stop: The one after the last.
    """

    start: int
    stop: int
    to_start: int
    to_stop: int

    def to_input(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return places in the photo, moved to the ends of what is shown, as places in the input.

        >>> span = Span(start=10, stop=30, to_start=0, to_stop=10)
        >>> span.to_input(np.array([0, 20, 30], np.float32)).tolist()
        [0.0, 5.0, 10.0]
        """
        scale = (self.to_stop - self.to_start) / (self.stop - self.start)
        inside = values.clip(self.start, self.stop) - self.start
        result: npt.NDArray[np.float32] = self.to_start + inside * np.float32(scale)
        return result


@dataclass(frozen=True, slots=True)
class View:
    """The columns and the rows of a photo that are shown."""

    across: Span
    down: Span

    def boxes(self, boxes: Boxes) -> Boxes:
        """Return boxes of the photo as they lie in the input, ``(k, 5)`` to ``(fewer, 5)``.

        A box is class, left, top, right and bottom. It is cut at the edges of what is shown, and
        left out where less than 30 % of it is, or less than a pixel of the input.
        """
        left, top, right, bottom = boxes[:, 1:].T
        across, down = self.across, self.down
        shown_width = right.clip(across.start, across.stop) - left.clip(across.start, across.stop)
        shown_height = bottom.clip(down.start, down.stop) - top.clip(down.start, down.stop)
        visible = shown_width * shown_height >= _VISIBLE * (right - left) * (bottom - top)
        sides = (
            across.to_input(left),
            down.to_input(top),
            across.to_input(right),
            down.to_input(bottom),
        )
        moved = np.stack([boxes[:, 0], *sides], axis=1).astype(np.float32)
        large = (moved[:, 3:] - moved[:, 1:3] >= _LEAST_PX).all(axis=1)
        seen: Boxes = moved[visible & large]
        return seen


def draw_view(
    photo: tuple[int, int], part: tuple[float, float], how: Preprocess, rng: np.random.Generator
) -> View:
    """Draw the part of a photo that is shown: inside of it, or around it along a side it exceeds.

    Args:
        photo: The photo's height and width, px.
        part: The part's height and width, px of the photo.
        how: The size of the input, and how the part is put into it.
        rng: Draws where the part is.
    """
    sides = max(1, round(part[0])), max(1, round(part[1]))
    spare = [whole - own for whole, own in zip(photo, sides, strict=True)]
    corner = [int(rng.integers(min(0, each), max(0, each) + 1)) for each in spare]
    return view_of(photo, (corner[0], corner[1]), sides, how)


def view_of(
    photo: tuple[int, int], corner: tuple[int, int], part: tuple[int, int], how: Preprocess
) -> View:
    """Return how a part of a photo is shown in the input, where validation would put it.

    Args:
        photo: The photo's height and width, px.
        corner: Top and left of the part in the photo; negative where it begins outside.
        part: Its height and width.
        how: The size of the input, and how the part is put into it.
    """
    place = placement(part[1], part[0], how)
    spans = []
    for axis, to_side in ((1, how.width_px), (0, how.height_px)):
        start, stop = max(0, corner[axis]), min(photo[axis], corner[axis] + part[axis])
        scale, offset = place.scale[1 - axis], place.offset[1 - axis]
        ends = (round(offset + (end - corner[axis]) * scale) for end in (start, stop))
        to_start, to_stop = ends
        to_start = min(max(0, to_start), to_side - 1)
        spans.append(Span(start, stop, to_start, min(max(to_start + 1, to_stop), to_side)))
    return View(*spans)
