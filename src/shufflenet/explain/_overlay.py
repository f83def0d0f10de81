"""A heat map drawn over the photo that it is of."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from shufflenet.errors import SpecError
from shufflenet.explain._colors import color
from shufflenet.explain._place import Part, cell_px, seen
from shufflenet.explain._spread import spread
from shufflenet.spec import Card

__all__ = ["overlay"]

_FAINT, _STRONG = 0.35, 0.75  # how much of a color is seen where nothing and where most is found
_OUTSIDE = 0.45  # the brightness of what the network did not see


def overlay(
    photo: Image.Image, heat: npt.NDArray[np.float32], card: Card, *, most_px: int = 1024
) -> Image.Image:
    """Return a photo in gray under the colors of a heat map, its longer side at most ``most_px``.

    The strongest evidence for the class is light yellow; none, and evidence against it, is dark
    blue. What the network did not see, as it was cropped off, is dark and has no color; a line
    is around the rest.

    Args:
        photo: The whole photo in RGB, upright, as ``preprocess.decode`` returns it.
        heat: Its map ``(h', w')``, as ``Explainer.maps`` computes it.
        card: The model's card: it says which part of the photo was seen.
        most_px: The longest side of the picture; a smaller photo keeps its size.

    Raises:
        SpecError: the map has another shape.
    """
    if heat.ndim != 2 or not heat.size:
        raise SpecError("the heat map", heat.shape, "of shape (height, width)")
    gray = photo.convert("L")
    size = gray.size
    gray.thumbnail((most_px, most_px), Image.Resampling.BOX)
    across, down = (
        Part.of(start * small / large, end * small / large, small)
        for (start, end), small, large in zip(
            seen(*size, card.preprocess), gray.size, size, strict=True
        )
    )
    how, cell = card.preprocess, cell_px(card)
    rows, columns = down.positions(how.height_px, cell), across.positions(how.width_px, cell)
    heat = spread(heat, rows, columns)
    values = _strength(heat)[..., None]
    canvas = np.asarray(gray, np.float32)[..., None].repeat(3, axis=2)
    inside = canvas[down.first : down.end, across.first : across.end]
    amount = _FAINT + (_STRONG - _FAINT) * values
    shown = (1 - amount) * inside + amount * 255 * color(values[..., 0])
    canvas *= _OUTSIDE
    inside[:] = shown
    picture = Image.fromarray(canvas.round().astype(np.uint8))
    if across.is_smaller or down.is_smaller:
        frame = across.first, down.first, across.end - 1, down.end - 1
        ImageDraw.Draw(picture).rectangle(frame, outline=(255, 255, 255))
    return picture


def _strength(heat: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a map as parts of its largest value, 0 where it is negative.

    >>> _strength(np.array([[-1, 2], [4, 1]], np.float32)).tolist()
    [[0.0, 0.5], [1.0, 0.25]]
    """
    positive = np.maximum(heat, 0)
    largest = max(float(positive.max()), float(np.finfo(np.float32).tiny))
    return (positive / largest).astype(np.float32)
