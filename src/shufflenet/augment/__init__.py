"""Random transforms for training; whoever calls owns the randomness."""

from shufflenet.augment._crop import Crop, random_crop
from shufflenet.augment._erase import erased
from shufflenet.augment._trivial import OPERATIONS, trivially_changed

__all__ = ["OPERATIONS", "Crop", "erased", "random_crop", "trivially_changed"]
