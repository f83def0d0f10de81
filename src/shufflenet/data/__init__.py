"""Labeled images from folders, archives, shards and tables, as one list.

An image is a file of its own or a byte range of one, so that any image can be read at once and in
any order. What is compressed as a whole is first decompressed into a temporary file.
``shufflenet.data.packing`` writes shards.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from shufflenet.data._findings import Findings, PassedOver, count_passed_over
from shufflenet.data._sets import ImageSet, Sample, load, split
from shufflenet.data._walk import is_image, list_folder

if TYPE_CHECKING:
    from shufflenet.data._label_sets import (
        check_image_set,
        check_one_label,
        join_labels,
        multi_label,
        split_labels,
        with_label_sets,
    )
    from shufflenet.data._labels import class_name
    from shufflenet.data._match import label_as, relabel
    from shufflenet.data._open import open_images
    from shufflenet.data._photo import Photo
    from shufflenet.data._splits import Part

__all__ = [
    "Findings",
    "ImageSet",
    "Part",
    "PassedOver",
    "Photo",
    "Sample",
    "check_image_set",
    "check_one_label",
    "class_name",
    "count_passed_over",
    "is_image",
    "join_labels",
    "label_as",
    "list_folder",
    "load",
    "multi_label",
    "open_images",
    "relabel",
    "split",
    "split_labels",
    "with_label_sets",
]

# What labels images: each name with its file. Predicting does not need it, and saves 15 ms.
_LABELED = {
    "Part": "_splits",
    "Photo": "_photo",
    "check_image_set": "_label_sets",
    "check_one_label": "_label_sets",
    "class_name": "_labels",
    "join_labels": "_label_sets",
    "label_as": "_match",
    "multi_label": "_label_sets",
    "open_images": "_open",
    "relabel": "_match",
    "split_labels": "_label_sets",
    "with_label_sets": "_label_sets",
}

if not TYPE_CHECKING:  # type checkers see the imports above

    def __getattr__(name: str) -> object:
        if name in _LABELED:
            return getattr(import_module(f"{__name__}.{_LABELED[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
