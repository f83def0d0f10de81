"""Random transforms for training; whoever calls owns the randomness."""

from shufflenet.augment._crop import Crop, random_crop
from shufflenet.augment._erase import erased
from shufflenet.augment._operations import OPERATIONS
from shufflenet.augment._randaugment import randomly_changed
from shufflenet.augment._trivial import trivially_changed

__all__ = ["OPERATIONS", "Crop", "erased", "random_crop", "randomly_changed", "trivially_changed"]
