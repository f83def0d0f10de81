"""Where in the input of a network an image lies."""

from shufflenet.boxes import Placement
from shufflenet.preprocess._crop import crop_start, scaled_size
from shufflenet.spec import Preprocess

__all__ = ["placement"]


def placement(width: int, height: int, how: Preprocess) -> Placement:
    """Return where in the input an image lies that ``resize_and_crop`` made it of.

    Args:
        width: Of the upright image, px.
        height: The same.
        how: How it is resized, and cut or padded.

    >>> placement(640, 480, Preprocess(resize_px=320, crop_px=320, fit="pad"))
    Placement(width=640, height=480, scale=(0.5, 0.5), offset=(0, 40))
    >>> placement(640, 480, Preprocess(resize_px=320, crop_px=320)).offset  # and 53 px cut away
    (-53, 0)
    """
    to_width, to_height = scaled_size(width, height, how)
    if how.fit == "pad":
        left = crop_start(how.width_px, to_width, how.crop_offset)
        top = crop_start(how.height_px, to_height, how.crop_offset)
    else:
        left = -crop_start(to_width, how.width_px, how.crop_offset)
        top = -crop_start(to_height, how.height_px, how.crop_offset)
    return Placement(width, height, (to_width / width, to_height / height), (left, top))
