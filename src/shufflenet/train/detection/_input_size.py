"""The size of a detector's input, by the shape of most images."""

import statistics
from collections.abc import Sequence

from shufflenet.errors import SpecError
from shufflenet.recipes import Recipe, sides
from shufflenet.spec import STRIDES

__all__ = ["check_sizes", "input_size"]

_LONGER_PX = 320  # of the longer side
_MULTIPLE = STRIDES[-1]


def input_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the height and width of the input for images of some heights and widths, px.

    The median shape is scaled until its longer side has 320 px, or stays as it is where it has
    fewer; then each side is rounded up to a multiple of 32.

    >>> input_size([(480, 640), (480, 640), (640, 480)]), input_size([(50, 40)]), input_size([])
    ((256, 320), (64, 64), (320, 320))
    """
    if not sizes:
        return _LONGER_PX, _LONGER_PX
    ratio = statistics.median(height / width for height, width in sizes)
    longer = min(_LONGER_PX, statistics.median(max(size) for size in sizes))
    height, width = (longer, longer / ratio) if ratio > 1 else (longer * ratio, longer)
    return _rounded(height), _rounded(width)


def _rounded(side: float) -> int:
    return -(-round(side) // _MULTIPLE) * _MULTIPLE


def check_sizes(recipe: Recipe) -> None:
    """Check that every size of a recipe is one that a detector can have.

    Raises:
        SpecError: a side is no multiple of 32.
    """
    for name, sizes in (("image_px", [recipe.image_px]), ("train_px", recipe.train_px)):
        for size in sizes:
            if any(side % _MULTIPLE for side in sides(size)):
                raise SpecError(name, size, f"of multiples of {_MULTIPLE}, for a detector")
