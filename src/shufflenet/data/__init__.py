"""Labeled images from folders, archives, shards and tables, as one list.

An image is a file of its own or a byte range of one, so that any image can be read at once and in
any order. What is compressed as a whole is first decompressed into a temporary file.
``shufflenet.data.packing`` writes shards.
"""

from shufflenet.data._findings import Findings, PassedOver, count_passed_over
from shufflenet.data._labels import class_name
from shufflenet.data._match import label_as, relabel
from shufflenet.data._open import open_images
from shufflenet.data._sets import ImageSet, Sample, load, split
from shufflenet.data._splits import Part
from shufflenet.data._walk import is_image, list_folder

__all__ = [
    "Findings",
    "ImageSet",
    "Part",
    "PassedOver",
    "Sample",
    "class_name",
    "count_passed_over",
    "is_image",
    "label_as",
    "list_folder",
    "load",
    "open_images",
    "relabel",
    "split",
]
