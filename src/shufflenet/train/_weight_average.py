"""Weights averaged over steps, which are more accurate than those of any one step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["average_weights"]


def average_weights(net: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a network's weights and statistics.

    The first steps, whose weights are still random, are forgotten sooner: the decay after ``n``
    steps is at most ``(1 + n) / (10 + n)``.

    Source of the limit: tf.train.ExponentialMovingAverage, num_updates
    """

    def update(average: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
        factor = min(decay, (1 + int(steps)) / (10 + int(steps)))
        for mean, now in zip(average, current, strict=True):
            if torch.is_floating_point(mean):
                mean.lerp_(now, 1 - factor)
            else:
                mean.copy_(now)  # the number of batches of a norm

    return AveragedModel(net, multi_avg_fn=torch.no_grad()(update), use_buffers=True)
