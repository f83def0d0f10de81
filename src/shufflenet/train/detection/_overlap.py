"""How far boxes overlap."""

import torch
from torch import Tensor

__all__ = ["generalized_overlap", "overlaps"]

_LEAST_AREA = 1e-9  # of two boxes of no area


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of each pair, ``(n, k, m)``.

    Args:
        boxes: Left, top, right and bottom, ``(n, k, 4)``.
        others: The same, ``(n, m, 4)``.
    """
    one, other = boxes[:, :, None], others[:, None]
    shared = _area(
        torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    )
    areas = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:])
    return shared / (areas - shared).clamp(min=_LEAST_AREA)


def generalized_overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the generalized intersection over union of pairs, -1 to 1, ``(k,)``.

    It is the intersection over union, less the share of the smallest box around both that
    neither covers.

    Source: Rezatofighi et al. 2019, Algorithm 1, https://arxiv.org/abs/1902.09630

    Args:
        boxes: Left, top, right and bottom, ``(k, 4)``.
        others: The same.
    """
    shared = _area(
        torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    )
    areas = _area(boxes[:, :2], boxes[:, 2:]) + _area(others[:, :2], others[:, 2:])
    union = areas - shared
    around = _area(
        torch.minimum(boxes[:, :2], others[:, :2]), torch.maximum(boxes[:, 2:], others[:, 2:])
    )
    overlap = shared / union.clamp(min=_LEAST_AREA)
    return overlap - (around - union) / around.clamp(min=_LEAST_AREA)


def _area(corner: Tensor, opposite: Tensor) -> Tensor:
    sides = (opposite - corner).clamp(min=0)
    return sides[..., 0] * sides[..., 1]
