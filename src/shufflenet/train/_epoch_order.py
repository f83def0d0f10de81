"""The images of an epoch, how often and in what order, as a function of seed and epoch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shufflenet.data import Sample
from shufflenet.recipes import Recipe

__all__ = ["epoch_order", "number_repeats", "quotas", "separate_repeats"]

_Indices = npt.NDArray[np.int64]


def epoch_order(samples: Sequence[Sample], recipe: Recipe, epoch: int) -> _Indices:
    """Return the items of an epoch, ``(images,)``, numbered by ``number_repeats``.

    They are every image once, in a random order; or, as the recipe says, classes as often as
    ``quotas`` says, and every image ``recipe.repeats`` times in a row, of accordingly fewer images.

    Sources of repeats: Hoffer et al. 2020, https://arxiv.org/abs/1901.09335; Berman et al. 2019,
    https://arxiv.org/abs/1902.05509; torchvision's RASampler, which stops as early in an epoch
    """
    rng = np.random.default_rng((recipe.seed, epoch))
    order = rng.permutation(len(samples))
    if recipe.balance:
        labels = np.array([sample.label for sample in samples])
        order = rng.permutation(_balanced(order, labels, recipe.balance))
    return number_repeats(np.repeat(order, recipe.repeats)[: len(samples)], len(samples))


def _balanced(order: _Indices, labels: _Indices, balance: float) -> _Indices:
    """Return the quota of every class: its images in order, from the first again if need be."""
    counts = np.unique(labels, return_counts=True)[1]
    classes = np.split(order[np.argsort(labels[order], kind="stable")], np.cumsum(counts)[:-1])
    sizes = quotas(counts, balance)
    return np.concatenate([np.resize(own, n) for own, n in zip(classes, sizes, strict=True)])


def quotas(counts: _Indices, balance: float) -> _Indices:
    """Return how many images of each class an epoch shows, ``(classes,)``, from their ``counts``.

    The sum is that of ``counts``. A class of ``n`` images has the weight ``n ** (1 - balance)``;
    the first ``k`` classes together have ``floor(share * images + 1/2)`` images, where ``share`` is
    their part of all weights. So a balance of 0 shows every image once, 1/2 is square-root
    sampling, 1 shows every class equally often; every class has at least one image.

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
    result: _Indices = np.diff(ends, prepend=0)
    return result


def number_repeats(order: _Indices, images: int) -> _Indices:
    """Number the items of an epoch, ``(n,)``, so that an image shown again is another item.

    Image ``i`` becomes ``i + images * k`` where it was shown ``k`` times before; each item has a
    crop of its own.

    >>> number_repeats(np.array([2, 0, 2, 2]), images=10)
    array([ 2,  0, 12, 22])
    """
    by_image = np.argsort(order, kind="stable")
    ordered = order[by_image]
    items = order.copy()
    items[by_image] += images * (np.arange(len(order)) - np.searchsorted(ordered, ordered))
    return items


def separate_repeats(count: int, repeats: int) -> _Indices:
    """Return an order, ``(count,)``, of a batch with every image ``repeats`` times in a row.

    Neighbors differ in it. Places ``j`` are sorted by ``j % repeats``, then by ``j``.

    >>> separate_repeats(8, repeats=4)
    array([0, 4, 1, 5, 2, 6, 3, 7])
    """
    return np.argsort(np.arange(count) % repeats, kind="stable")
