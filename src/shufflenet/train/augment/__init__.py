"""Random augmentations of training images; the caller passes the random generator."""

from shufflenet.train.augment._operations import OPERATIONS, apply_operation
from shufflenet.train.augment._rand_augment import rand_augment
from shufflenet.train.augment._random_crop import Crop, random_crop
from shufflenet.train.augment._random_erase import random_erase
from shufflenet.train.augment._trivial_augment import trivial_augment

__all__ = [
    "OPERATIONS",
    "Crop",
    "apply_operation",
    "rand_augment",
    "random_crop",
    "random_erase",
    "trivial_augment",
]
