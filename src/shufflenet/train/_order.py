"""Which images an epoch shows, how often, and in what order, as a function of seed and epoch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shufflenet.data import Sample
from shufflenet.recipes import Recipe

__all__ = ["apart", "epoch_order", "quotas", "told_apart"]

_Numbers = npt.NDArray[np.int64]


def epoch_order(samples: Sequence[Sample], recipe: Recipe, epoch: int) -> _Numbers:
    """List what an epoch shows, as many items as there are images, numbered by ``told_apart``.

    Every image once, in an order drawn evenly; or, as the recipe says, classes as often as
    ``quotas`` has it, and every image ``recipe.repeats`` times running, of so many fewer images.

    Sources of repeats: Hoffer et al. 2020, https://arxiv.org/abs/1901.09335; Berman et al. 2019,
    https://arxiv.org/abs/1902.05509; torchvision's RASampler, which stops as early in an epoch
    """
    rng = np.random.default_rng((recipe.seed, epoch))
    order = rng.permutation(len(samples))
    if recipe.balance:
        labels = np.array([sample.label for sample in samples])
        order = rng.permutation(_balanced(order, labels, recipe.balance))
    return told_apart(np.repeat(order, recipe.repeats)[: len(samples)], len(samples))


def _balanced(order: _Numbers, labels: _Numbers, balance: float) -> _Numbers:
    """Take of every class its quota, first to last in order, and again from the first."""
    counts = np.unique(labels, return_counts=True)[1]
    classes = np.split(order[np.argsort(labels[order], kind="stable")], np.cumsum(counts)[:-1])
    wanted = quotas(counts, balance)
    return np.concatenate([np.resize(own, n) for own, n in zip(classes, wanted, strict=True)])


def quotas(counts: _Numbers, balance: float) -> _Numbers:
    """Say how many images an epoch has of each class, from how many there are: as many in all.

    A class of ``n`` images has a share of ``n ** (1 - balance)``, and the first classes together
    ``floor(share * images + 1/2)`` of the images, ``share`` being their part of all shares. So 0
    is every image once, 1/2 square-root sampling, 1 every class as often; no class has none.

    >>> counts = np.array([100, 25, 4])
    >>> for balance in (0, 0.5, 1):
    ...     print(quotas(counts, balance))
    [100  25   4]
    [76 38 15]
    [43 43 43]

    Sources: Kang et al. 2020, equation 1, https://arxiv.org/abs/1910.09217, whose ``q`` is
    ``1 - balance``; the square root: Mahajan et al. 2018, https://arxiv.org/abs/1805.00932
    """
    shares = np.cumsum(counts ** (1.0 - balance))
    ends = np.floor(shares / shares[-1] * counts.sum() + 0.5).astype(np.int64)
    found: _Numbers = np.diff(ends, prepend=0)
    return found


def told_apart(order: _Numbers, images: int) -> _Numbers:
    """Number what is shown so that an image shown again is another item, cropped anew.

    Image ``i`` is ``i + images * k`` where it was shown ``k`` times before.

    >>> told_apart(np.array([2, 0, 2, 2]), images=10)
    array([ 2,  0, 12, 22])
    """
    by_image = np.argsort(order, kind="stable")
    found = order[by_image]
    items = order.copy()
    items[by_image] += images * (np.arange(len(order)) - np.searchsorted(found, found))
    return items


def apart(count: int, repeats: int) -> _Numbers:
    """Order a batch that shows every image ``repeats`` times running so that neighbours differ.

    Place ``j`` is sorted by ``j % repeats``, then by ``j``.

    >>> apart(8, repeats=4)
    array([0, 4, 1, 5, 2, 6, 3, 7])
    """
    return np.argsort(np.arange(count) % repeats, kind="stable")
