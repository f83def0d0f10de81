"""Labeled images from folders, archives, shards and tables, as one list.

An image is a file of its own or a byte range of one, so that any image can be read at once and in
any order. What is compressed as a whole is first decompressed into a temporary file.
``shufflenet.data.packing`` writes shards.
"""

from shufflenet.data._folders import files_below
from shufflenet.data._open import open_images
from shufflenet.data._sets import (
    IMAGE_SUFFIXES,
    ImageSet,
    Sample,
    load,
    relabel,
    split,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSet",
    "Sample",
    "files_below",
    "load",
    "open_images",
    "relabel",
    "split",
]
