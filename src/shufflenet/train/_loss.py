"""What a network in training is to make small: for one right class, and for any number."""

import torch
from torch import Tensor
from torch.nn import functional

from shufflenet.recipes import Recipe
from shufflenet.spec import Task

__all__ = ["distillation_loss", "label_loss", "multi_label_distillation_loss", "soften"]


def label_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Return how far logits are from labels, the mean over images, a scalar.

    Of class indices it is the cross-entropy of a softmax. Of the classes that are right, ``t`` of 0
    or 1, it is the sum over classes of the binary cross-entropy
    ``-t log sigmoid(z) - (1 - t) log(1 - sigmoid(z))``; smoothing by ``s`` replaces ``t`` by
    ``(1 - s) t + s / classes``, as it does for a softmax. Two images mixed in shares have the mixed
    loss, which is that of mixed ``t``.

    Source of the smoothing: Wightman et al. 2021, section 3, https://arxiv.org/abs/2110.00476, who
    train by binary cross-entropy, and timm's ``BinaryCrossEntropy``.

    Args:
        logits: ``(n, classes)``.
        labels: Class indices, ``(n,)``; or 1 for each class that is right, float ``(n, classes)``.
        recipe: Its label smoothing.

    >>> from shufflenet.recipes import RECIPES
    >>> logits = torch.tensor([[0.0, 0.0]])
    >>> label_loss(logits, torch.tensor([[1.0, 0.0]]), RECIPES["mmpretrain"])  # twice log(2)
    tensor(1.3863)
    """
    smoothing = recipe.label_smoothing
    if labels.dim() == 1:
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    targets = (1 - smoothing) * labels + smoothing / labels.shape[1]
    return _summed(functional.binary_cross_entropy_with_logits(logits, targets, reduction="none"))


def soften(logits: Tensor, temperature: float, task: Task) -> Tensor:
    """Return a teacher's probabilities at a temperature, both ``(n, classes)``."""
    scaled = logits / temperature
    return scaled.sigmoid() if task == "multi-label" else scaled.softmax(dim=1)


def distillation_loss(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return how far a student's logits are from a teacher's probabilities, a scalar.

    It is the Kullback-Leibler divergence times the temperature squared, so that the size of its
    gradient does not depend on the temperature. Source: Hinton et al. 2015, section 2,
    https://arxiv.org/abs/1503.02531

    Args:
        logits: The student's, ``(n, classes)``.
        targets: The teacher's probabilities at that temperature, ``(n, classes)``.
        temperature: What the student's logits are divided by.
    """
    return temperature**2 * functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1),
        targets,
        reduction="batchmean",
    )


def multi_label_distillation_loss(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the same where each class is there or not: the sum over classes, mean over images.

    Of each class it is the divergence of the teacher's probability ``q`` and the student's ``p``,
    ``q log(q / p) + (1 - q) log((1 - q) / (1 - p))``, times the temperature squared.

    Args:
        logits: The student's, ``(n, classes)``.
        targets: The teacher's probabilities at that temperature, ``(n, classes)``.
        temperature: What the student's logits are divided by.
    """
    crossed = functional.binary_cross_entropy_with_logits(
        logits / temperature, targets, reduction="none"
    )
    entropy = -torch.special.xlogy(targets, targets) - torch.special.xlogy(1 - targets, 1 - targets)
    return temperature**2 * _summed(crossed - entropy)


def _summed(losses: Tensor) -> Tensor:
    """Return the mean over images of the sum over classes."""
    return losses.sum(dim=1).mean()
