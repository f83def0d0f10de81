"""Random transforms for training; whoever calls owns the randomness."""

from shufflenet.train.augment._crop import Crop, random_crop
from shufflenet.train.augment._erase import erased
from shufflenet.train.augment._operations import OPERATIONS
from shufflenet.train.augment._randaugment import randomly_changed
from shufflenet.train.augment._trivial import trivially_changed

__all__ = ["OPERATIONS", "Crop", "erased", "random_crop", "randomly_changed", "trivially_changed"]
