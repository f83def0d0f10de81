"""Weights averaged over steps, which answer better than those of any one step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["averaged"]


def averaged(net: nn.Module, decay: float) -> AveragedModel:
    """Follow a network's weights and statistics by an exponential moving average.

    The first steps, whose weights are still random, are forgotten sooner: the decay after ``n``
    steps is at most ``(1 + n) / (10 + n)``.

    Source of that: tf.train.ExponentialMovingAverage, num_updates
    """

    def update(average: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
        for mean, now in zip(average, current, strict=True):
            if torch.is_floating_point(mean):
                mean.lerp_(now, 1 - kept)
            else:
                mean.copy_(now)  # how many batches a norm has seen

    return AveragedModel(net, multi_avg_fn=torch.no_grad()(update), use_buffers=True)
