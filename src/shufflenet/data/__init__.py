"""Labeled images from folders, archives, shards and tables, as one list; and packing them.

An image is a file of its own or a byte range of one, so that any image can be read at once and in
any order. What is compressed as a whole is first decompressed into a temporary file.
"""

from shufflenet.data._folders import files_below
from shufflenet.data._index import Member, write_index
from shufflenet.data._open import open_images
from shufflenet.data._pack import Encoding, Packed, pack
from shufflenet.data._sets import (
    IMAGE_SUFFIXES,
    ImageSet,
    Sample,
    load,
    relabel,
    split,
)
from shufflenet.data._shards import CLASSES_KEY, IMAGES_KEY

__all__ = [
    "CLASSES_KEY",
    "IMAGES_KEY",
    "IMAGE_SUFFIXES",
    "Encoding",
    "ImageSet",
    "Member",
    "Packed",
    "Sample",
    "files_below",
    "load",
    "open_images",
    "pack",
    "relabel",
    "split",
    "write_index",
]
