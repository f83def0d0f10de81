"""Which cells learn which box: those whose score and box agree best with it."""

from typing import NamedTuple

import torch
from torch import Tensor

from shufflenet.train.detection._overlap import overlaps

__all__ = ["Assigned", "assign"]

_CELLS = 13  # that learn a box, at most
_SCORE_POWER, _OVERLAP_POWER = 1.0, 6.0
_LEAST_SIDE = 16.0  # pixels: smaller boxes may have no center of a cell inside


class Assigned(NamedTuple):
    """What cells are to learn.

    Attributes:
        scores: The score of each class, 0 to 1, ``(n, cells, classes)``; 0 where there is no box.
        boxes: Left, top, right and bottom, ``(n, cells, 4)``; of cells without a box of any.
        weights: The largest score of each cell, ``(n, cells)``: how much its box counts.
    """

    scores: Tensor
    boxes: Tensor
    weights: Tensor


@torch.no_grad()
def assign(scores: Tensor, found: Tensor, centers: Tensor, targets: Tensor) -> Assigned:
    """Assign boxes to the cells that are aligned with them best.

    The alignment of a cell with a box is ``score * iou**6``: of the score that the cell gives the
    box's class, and of the overlap of what the cell found with the box. A box is learned by the 13
    best cells among those whose center lies in it; a cell that several boxes want learns the one
    it overlaps most. The score to learn is the alignment, scaled so that the largest of a box is
    the largest overlap with that box.

    Source: task-aligned learning, Feng et al. 2021, section 3.2, https://arxiv.org/abs/2108.07755

    Args:
        scores: Of each class, 0 to 1, ``(n, cells, classes)``.
        found: The boxes of cells, ``(n, cells, 4)``: left, top, right, bottom.
        centers: The center of each cell, ``(cells, 2)``.
        targets: The boxes to learn, ``(n, most, 5)``: class, or -1 for none; left, top, right,
            bottom.
    """
    labels, boxes = targets[..., 0].long(), targets[..., 1:]
    exists = labels >= 0
    overlap = overlaps(boxes, found)  # (n, most, cells)
    classes = labels.clamp(min=0)[:, None, :].expand(-1, scores.shape[1], -1)
    score = scores.gather(2, classes).transpose(1, 2)
    aligned = score**_SCORE_POWER * overlap**_OVERLAP_POWER
    allowed = _inside(centers, boxes) & exists[..., None]
    chosen = _best(aligned.masked_fill(~allowed, -1.0), allowed)
    wanted = overlap.masked_fill(~chosen, -1.0)
    owner = wanted.argmax(dim=1)  # (n, cells): the box that each cell learns
    learns = chosen.any(dim=1)
    chosen &= torch.zeros_like(chosen).scatter_(1, owner[:, None], value=True)
    aligned = aligned * chosen
    largest = aligned.amax(dim=2, keepdim=True)
    best = (overlap * chosen).amax(dim=2, keepdim=True)
    values = (aligned / largest.clamp(min=1e-9) * best).amax(dim=1)  # (n, cells)
    label = labels.gather(1, owner)
    result = torch.zeros_like(scores)
    result.scatter_(2, label.clamp(min=0)[..., None], (values * learns)[..., None])
    to_learn = boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    return Assigned(result, to_learn, values * learns)


def _inside(centers: Tensor, boxes: Tensor) -> Tensor:
    """Return whether a cell's center lies in a box, ``(n, most, cells)``; tiny boxes are grown."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = ((boxes[..., 2:] - boxes[..., :2]) / 2).clamp(min=_LEAST_SIDE / 2)
    away = (centers[None, None] - middle[:, :, None]).abs()
    return (away < half[:, :, None]).all(dim=3)


def _best(aligned: Tensor, allowed: Tensor) -> Tensor:
    """Return whether a cell is among the best of a box, both ``(n, most, cells)``."""
    count = min(_CELLS, aligned.shape[2])
    best = aligned.topk(count, dim=2).indices
    return torch.zeros_like(allowed).scatter_(2, best, value=True) & allowed
