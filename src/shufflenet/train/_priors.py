"""The first biases of a classifier of which any number of classes may be right."""

import math
from collections import Counter
from collections.abc import Sequence

import torch

from shufflenet.data import ImageSet
from shufflenet.networks import ShuffleNet
from shufflenet.spec import Label

__all__ = ["start_at_priors"]


@torch.no_grad()
def start_at_priors(
    net: ShuffleNet, labels: Sequence[Label], images: ImageSet, new: Sequence[str]
) -> None:
    """Set the biases of new classes so that a network first answers how common each class is.

    The bias of a class that is right for ``k`` of ``n`` images becomes ``log(p / (1 - p))`` with
    ``p = (k + 1) / (n + 2)``. From a bias of 0 the first steps would only teach that most classes
    are absent from most images. Without biases the network stays as it is.

    Source: Lin et al. 2017, section 3.3 (a prior for the model's estimate at the start),
    https://arxiv.org/abs/1708.02002

    Args:
        net: The network.
        labels: Its classes, in order.
        images: The images trained on.
        new: The identifiers of the classes to set.
    """
    counts = Counter(label for right in images.right for label in right)
    bias = net.fc.bias
    if bias is None or not new:
        return
    for number, label in enumerate(labels):
        if label.id in set(new):
            share = (counts[number] + 1) / (len(images) + 2)
            bias[number] = math.log(share / (1 - share))
