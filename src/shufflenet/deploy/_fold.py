"""Batch norms folded into the convolutions before them."""

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from shufflenet.deploy._norms import affine_of, is_unhooked
from shufflenet.networks import AnyNetwork, ShuffleNet, copy_network

__all__ = ["compact", "fold_batch_norms"]

_Net = TypeVar("_Net", bound=AnyNetwork)


def fold_batch_norms(net: _Net) -> _Net:
    """Return a copy of a network, in evaluation mode, with batch norms folded into convolutions.

    A norm is folded where it follows a convolution and scales and shifts by fixed numbers; any
    other module stays as it is, so that the copy computes what the network does.
    """
    net = copy_network(net)
    net.eval()
    for name, module in reversed(list(net.named_modules())):  # parts before the whole
        if name and type(module) is nn.Sequential and is_unhooked(module):
            net.set_submodule(name, _fold_layers(module))
    return net


def _fold_layers(layers: nn.Sequential) -> nn.Sequential:
    folded: list[nn.Module] = []
    for layer in layers:
        conv = folded[-1] if folded else None
        affine = affine_of(layer)
        if affine is not None and type(conv) is nn.Conv2d and is_unhooked(conv):
            folded[-1] = _fold(conv, *affine)
        else:
            folded.append(layer)
    return layers if len(folded) == len(layers) else nn.Sequential(*folded)


def _fold(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> nn.Conv2d:
    """Return one convolution for a convolution and the scale and shift, ``(c,)`` each, after it.

    ``scale * conv(x) + shift = (scale * weight) * x + (scale * bias + shift)``
    """
    folded = copy.deepcopy(conv)
    if conv.bias is not None:
        shift = scale * conv.bias.detach() + shift
    weight = conv.weight.detach() * scale.view(-1, 1, 1, 1)
    folded.weight = nn.Parameter(weight.to(conv.weight.dtype))
    folded.bias = nn.Parameter(shift.to(conv.weight.dtype))
    return folded


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
            for conv, norm in pairwise(layers):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    _compact(conv, norm)
        net.fc.weight.copy_(_float16(net.fc.weight))
    return net


def _compact(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("a ShuffleNet's batch norms keep running statistics")
    scale = norm.weight / (variance + norm.eps).sqrt()
    conv.weight.copy_(_float16(conv.weight * scale.view(-1, 1, 1, 1)))
    mean.copy_(_float16(scale * mean))
    variance.copy_(_float16(scale**2 * variance))
    norm.bias.copy_(_float16(norm.bias))
    norm.weight.copy_((variance + norm.eps).sqrt())  # the divisor in affine_of, so the scale is 1


def _float16(x: Tensor) -> Tensor:
    return x.half().to(x.dtype)
