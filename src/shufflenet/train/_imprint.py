"""Rows of a classifier for classes that it does not know, from a few of their images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from shufflenet.data import ImageSet, Sample, load
from shufflenet.errors import DataError, ImageError
from shufflenet.networks import ShuffleNet
from shufflenet.preprocess import Pixels, normalize
from shufflenet.spec import Card, Preprocess

__all__ = ["imprint"]

_EACH, _ALL = 10, 2000  # images of a class, and of all, that are looked at
_SHARE = 0.5  # how far from the mean a new row lies, relative to the known ones


@torch.no_grad()
def imprint(net: ShuffleNet, card: Card, images: ImageSet, new: Sequence[str]) -> None:
    """Replace the rows of new classes, so that they do not start far behind those that are known.

    Where ``c`` is the mean embedding of a class, ``m`` the mean of all classes', and ``w`` and
    ``b`` the means of the known rows and biases, a new class gets the row ``w + s d`` and the bias
    ``b - s d.m``, with ``d = (c - m) / |c - m|`` and ``s`` half the mean distance of the known rows
    from ``w``. Random rows would be behind the known ones by the height of their logits, and what
    makes up for that unlearns the known classes (docs/training.md).

    Source of the idea: Qi, Brown and Lowe 2018, section 3, https://arxiv.org/abs/1712.07136

    Args:
        net: The network; its classifier has kept the rows of the other classes. Without a bias or
            with fewer than two known classes it stays as it is.
        card: Its card, with the classes and the preprocessing.
        images: Images of all classes.
        new: The identifiers of the new classes.
    """
    weight, bias = net.fc.weight, net.fc.bias
    is_new = [label.id in set(new) for label in card.labels]
    known = [number for number, new_one in enumerate(is_new) if not new_one]
    if bias is None or len(known) < 2 or not new:
        return
    means = _mean_embeddings(net, card.preprocess, images)
    middle = torch.stack(list(means.values())).mean(0)
    row = weight[known].mean(0)
    distance = _SHARE * (weight[known] - row).norm(dim=1).mean()
    offset = bias[known].mean()
    for label in np.flatnonzero(is_new).tolist():
        direction = means.get(label, middle) - middle
        if direction.norm() > 0:  # else no image of the class can be read
            direction /= direction.norm()
            weight[label] = row + distance * direction
            bias[label] = offset - distance * (direction @ middle)


def _mean_embeddings(net: ShuffleNet, how: Preprocess, images: ImageSet) -> dict[int, Tensor]:
    """Return the mean classifier's input over some images of a class, by its number."""
    each = max(1, min(_EACH, _ALL // len(images.classes)))
    by_class: dict[int, list[Sample]] = {}
    for sample in images.samples:
        some = by_class.setdefault(sample.label, [])
        if len(some) < each:
            some.append(sample)
    was_training = net.training
    net.eval()
    means = {label: _mean_embedding(net, how, some) for label, some in by_class.items()}
    net.train(was_training)
    return {label: mean for label, mean in means.items() if mean is not None}


def _mean_embedding(net: ShuffleNet, how: Preprocess, samples: Sequence[Sample]) -> Tensor | None:
    pixels = [_pixels(sample, how) for sample in samples]
    readable = [each for each in pixels if each is not None]
    if not readable:
        return None
    return net.embed(torch.from_numpy(normalize(np.stack(readable), how))).mean(0)


def _pixels(sample: Sample, how: Preprocess) -> Pixels | None:
    try:
        pixels = load(sample, how)
    except DataError:  # the file is gone, which training reports
        return None
    return None if isinstance(pixels, ImageError) else pixels
