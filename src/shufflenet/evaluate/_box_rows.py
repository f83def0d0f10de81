"""The rows of a table of boxes: found, missed, or found where there is none."""

from collections.abc import Mapping, Sequence

from shufflenet.data.boxes import BoxSet
from shufflenet.errors import ImageError
from shufflenet.evaluate._match_boxes import BoxMatch

__all__ = ["BOX_COLUMNS", "box_row"]

BOX_COLUMNS = (
    *("path", "outcome", "label", "left", "top", "width", "height"),
    *("score", "found_left", "found_top", "found_width", "found_height"),
    *("iou", "label_there", "error"),
)


def box_row(
    match: BoxMatch, images: BoxSet, unread: Mapping[int, ImageError]
) -> tuple[object, ...]:
    """Return the row of a box to find, with what found it, or of a box that is wrong.

    Args:
        match: The box.
        images: The set that it is of, with the names of classes; see ``fit_boxes``.
        unread: The images that cannot be read, by their place in the set, and why.
    """
    found, there, error = match.found, match.label_there, unread.get(match.place)
    return (
        images.samples[match.place].place,
        match.kind,
        images.classes[match.label],
        *_sides(match.box),
        f"{found.score:.6f}" if found else "",
        *_sides(found.box if found else None),
        f"{match.iou:.4f}",
        "" if there is None else images.classes[there],
        error.problem if error else "",
    )


def _sides(box: Sequence[float] | None) -> tuple[str, ...]:
    return ("",) * 4 if box is None else tuple(f"{side:.2f}" for side in box)
