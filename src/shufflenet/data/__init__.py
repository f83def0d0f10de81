"""Where labelled images come from: folders, archives, shards, tables; all become one list.

An image is a file of its own or a stretch of one, so that any of them is read at once and in any
order; what is compressed as a whole is first laid out in a temporary file.
"""

from shufflenet.data._folders import files_below
from shufflenet.data._index import Member, write_index
from shufflenet.data._open import open_images
from shufflenet.data._pack import Packed, pack
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
