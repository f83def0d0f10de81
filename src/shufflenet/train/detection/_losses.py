"""What a detector in training is to make small, as functions of its outputs and of boxes."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from shufflenet.networks import Detector, cell_centers
from shufflenet.train.detection._assign import assign
from shufflenet.train.detection._overlap import generalized_overlap

__all__ = ["detection_loss", "distribution_focal_loss", "quality_focal_loss"]

_BOX_SHARE, _SIDES_SHARE = 2.0, 0.25  # of the losses of boxes and of distances to their sides


def detection_loss(
    net: Detector,
    outputs: Tensor,
    targets: Tensor,
    size: tuple[int, int],
    mean: Callable[[Tensor], Tensor] = lambda own: own,
) -> Tensor:
    """Return how far a detector's outputs are from boxes, a scalar.

    It is ``quality_focal_loss + 2 * (1 - GIoU) + distribution_focal_loss / 4``, where a cell's box
    counts by the score that the cell is to learn, over the sum of these scores in the batch.

    Source: Li et al. 2020, section 3, https://arxiv.org/abs/2006.04388

    Args:
        net: The detector; it decodes boxes.
        outputs: Its logits, ``(n, cells, classes + 4 * bins)``.
        targets: The boxes to learn, ``(n, most, 5)``: class, or -1 for none; left, top, right,
            bottom in pixels of the input.
        size: The height and the width of the input.
        mean: Returns the mean of a scalar over all processes; by the mean sum of scores, the mean
            loss of processes that share a batch is that of the whole batch.
    """
    classes = net.spec.classes
    outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
    logits, targets = outputs[..., :classes], targets.to(outputs)
    centers = cell_centers(*size).to(outputs)
    boxes = net.boxes(outputs, *size)
    assigned = assign(logits.sigmoid(), boxes.detach(), centers[:, :2], targets)
    total = mean(assigned.weights.sum()).clamp(min=1.0)
    loss = quality_focal_loss(logits, assigned.scores).sum() / total
    learns = assigned.weights > 0
    if not learns.any():
        return loss + 0 * outputs.sum()  # every weight has a gradient
    weights, aims = assigned.weights[learns], assigned.boxes[learns]
    apart = 1 - generalized_overlap(boxes[learns], aims)
    cells = centers.expand(len(outputs), -1, -1)[learns]
    middles, strides = cells[:, :2], cells[:, 2:]
    sides = torch.cat((middles - aims[:, :2], aims[:, 2:] - middles), dim=1) / strides
    bins = outputs[learns][:, classes:].reshape(len(sides), 4, -1)
    off = distribution_focal_loss(bins, sides).mean(dim=1)
    return loss + ((_BOX_SHARE * apart + _SIDES_SHARE * off) * weights).sum() / total


def quality_focal_loss(logits: Tensor, scores: Tensor) -> Tensor:
    """Return ``(score - p)**2`` times the binary cross-entropy of ``p`` and ``score``, elementwise.

    ``p`` is the sigmoid of a logit. Source: Li et al. 2020, equation 3, with a power of 2.

    Args:
        logits: Of any shape.
        scores: To learn, 0 to 1, of that shape.
    """
    crossed = functional.binary_cross_entropy_with_logits(logits, scores, reduction="none")
    return (scores - logits.sigmoid()) ** 2 * crossed


def distribution_focal_loss(logits: Tensor, values: Tensor) -> Tensor:
    """Return the cross-entropy of distributions with the two bins around values, ``(k, 4)``.

    A value between two bins is to be their mean, weighted. Source: Li et al. 2020, equation 6.

    Args:
        logits: Of bins 0, 1, and so on, ``(k, 4, bins)``.
        values: The expectations to learn, ``(k, 4)``; those outside of the bins count as the
            nearest bin.
    """
    last = logits.shape[-1] - 1
    values = values.clamp(0, last - 1e-3)
    below = values.floor()
    share = values - below
    logs = logits.log_softmax(dim=-1)
    left = logs.gather(-1, below.long()[..., None])[..., 0]
    right = logs.gather(-1, below.long()[..., None] + 1)[..., 0]
    return -(left * (1 - share) + right * share)
