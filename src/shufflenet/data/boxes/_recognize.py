"""Telling in which format the boxes of a folder or an archive are, by which files there are."""

import posixpath

from shufflenet.data._splits import is_split
from shufflenet.data._walk import Listing
from shufflenet.data.boxes._coco import find_coco
from shufflenet.data.boxes._files import groups
from shufflenet.data.boxes._findings import BoxFormat
from shufflenet.data.boxes._voc import find_voc
from shufflenet.data.boxes._yolo import find_yolo

__all__ = ["format_below", "format_of", "is_of_boxes"]

_DEEPEST = 3  # folders around a data set
_FORMATS: tuple[BoxFormat, ...] = ("coco", "yolo", "voc")
# Folders that hold the images of all classes.
_OF_ALL_CLASSES = frozenset(("", "images", "image", "imgs", "img", "data", "jpegimages", "photos"))


def format_of(listing: Listing) -> BoxFormat | None:
    """Return the format of the boxes that lie directly in a folder; None if there are none."""
    finders = (find_coco, find_yolo, find_voc)
    return next((form for form, find in zip(_FORMATS, finders, strict=True) if find(listing)), None)


def format_below(listing: Listing, depth: int = 0) -> BoxFormat | None:
    """Return the format of the boxes in a folder or in one below it; None if there are none."""
    found = format_of(listing)
    if found or depth >= _DEEPEST:
        return found
    inner = (format_below(each, depth + 1) for each in groups(listing).values())
    return next(filter(None, inner), None)


def is_of_boxes(listing: Listing) -> BoxFormat | None:
    """Return the format of data that hold boxes and no classes of images; None of others.

    Several class folders may have files of boxes beside them, as those of ImageNet do, and a table
    may label images that have boxes, too.
    """
    folders = {posixpath.basename(posixpath.dirname(name)) for name in listing.images}
    folders = {name for name in folders if name.lower() not in _OF_ALL_CLASSES}
    are_classes = len(folders) > 1 and not all(map(is_split, folders))
    if are_classes or any(name.lower().endswith((".csv", ".tsv")) for name in listing.others):
        return None
    return format_below(listing)
