"""The images that a model is measured on: with labels, with boxes, or those of a run."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shufflenet.data import ImageSet
    from shufflenet.data.boxes import BoxSet

__all__ = ["open_measured", "with_boxes"]


def open_measured(data: str) -> "ImageSet | BoxSet":
    """Open images to measure on, with labels or with boxes.

    Args:
        data: Images, or the folder of a training run for those that it held out.

    Raises:
        HeldOutWithoutBoxes: it is a run of a detector, on an archive.
        DataError: they cannot be read.
    """
    from shufflenet.data import open_images
    from shufflenet.data.boxes import open_boxes
    from shufflenet.errors import HeldOutWithoutBoxes, HoldsBoxes
    from shufflenet.runs import held_out, is_run

    if is_run(data):
        try:
            return held_out(data)
        except HoldsBoxes as error:
            raise HeldOutWithoutBoxes(data) from error
    if data.lower().endswith(".json"):
        return open_boxes(data, "val")
    try:
        return open_images(data, "val")
    except HoldsBoxes:
        return open_boxes(data, "val")


def with_boxes(data: str, images: "ImageSet | BoxSet") -> "BoxSet":
    """Return images with boxes for a detector, also of data that look like folders of classes.

    Raises:
        HeldOutWithoutBoxes: the data are those of a run.
        HoldsNoBoxes: they are classes of images.
    """
    from shufflenet.data.boxes import BoxSet, open_boxes
    from shufflenet.errors import HeldOutWithoutBoxes
    from shufflenet.runs import is_run

    if isinstance(images, BoxSet):
        return images
    if is_run(data):
        raise HeldOutWithoutBoxes(data)
    return open_boxes(data, "val")
