"""Batch norms folded into the convolutions before them."""

import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from shufflenet.networks import ShuffleNet

__all__ = ["compact", "fold_batch_norms"]


def fold_batch_norms(net: ShuffleNet) -> ShuffleNet:
    """Return a copy of a network with every batch norm folded into the convolution before it."""
    net = copy.deepcopy(net).eval()
    for name, module in reversed(list(net.named_modules())):  # parts before the whole
        if isinstance(module, nn.Sequential) and any(isinstance(m, nn.BatchNorm2d) for m in module):
            net.set_submodule(name, _fold_layers(module))
    return net


def _fold_layers(layers: nn.Sequential) -> nn.Sequential:
    folded = {conv: _fold(conv, norm) for conv, norm in _convs_and_norms(layers)}
    others = (layer for layer in layers if not isinstance(layer, nn.BatchNorm2d))
    return nn.Sequential(*(folded.get(layer, layer) for layer in others))  # type: ignore[call-overload]  # a layer that is no convolution is not a key


def _convs_and_norms(layers: nn.Sequential) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    for conv, norm in pairwise(layers):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            yield conv, norm


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution for a convolution without bias and the batch norm after it.

    ``norm(conv(x)) = (s * weight) * x + (beta - s * mean)`` with ``s = gamma / sqrt(var + eps)``.
    """
    mean, variance = _statistics(norm)
    scale = norm.weight / (variance + norm.eps).sqrt()
    folded = copy.deepcopy(conv)
    folded.weight = nn.Parameter((conv.weight * scale.view(-1, 1, 1, 1)).detach())
    folded.bias = nn.Parameter((norm.bias - scale * mean).detach())
    return folded


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("a ShuffleNet's batch norms keep running statistics")
    return mean, variance


def compact(net: ShuffleNet) -> ShuffleNet:
    """Return a copy of a network whose weights, and those of its deployed form, fit in float16.

    Such weights take half the space in our files, without loss. The scale ``s`` of every batch
    norm moves into its convolution, whose weights are then rounded to float16. The norm keeps a
    scale of 1 in evaluation mode, and the statistics of its new input for training: mean
    ``s * mean``, variance ``s**2 * var``. The copy differs from ``net`` by rounding alone, about
    1 part in 2,000 per weight; measure its accuracy.
    """
    net = copy.deepcopy(net)
    with torch.no_grad():
        for layers in [m for m in net.modules() if isinstance(m, nn.Sequential)]:
            for conv, norm in _convs_and_norms(layers):
                _compact(conv, norm)
        net.fc.weight.copy_(_float16(net.fc.weight))
    return net


def _compact(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = _statistics(norm)
    scale = norm.weight / (variance + norm.eps).sqrt()
    conv.weight.copy_(_float16(conv.weight * scale.view(-1, 1, 1, 1)))
    mean.copy_(_float16(scale * mean))
    variance.copy_(_float16(scale**2 * variance))
    norm.bias.copy_(_float16(norm.bias))
    norm.weight.copy_((variance + norm.eps).sqrt())  # the divisor in _fold, so the scale is 1


def _float16(x: Tensor) -> Tensor:
    return x.half().to(x.dtype)
