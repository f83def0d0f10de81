"""Convolutions with permuted channels or with added channels of zeros."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.channels import ZEROS, Order
from shufflenet.networks import SqueezeExcite, convolutions

__all__ = [
    "pad_middle",
    "reorder_group_inputs",
    "reorder_inputs",
    "reorder_outputs",
    "reorder_rows",
]


def reorder_inputs(branch: Iterable[nn.Module], order: Order) -> None:
    """Change a branch to read ``input[:, order]`` in place of ``input``, ``(n, c, h, w)``."""
    for layer in branch:
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            _set_weights(layer, _take_columns(layer.weight, order), layer.bias)
            return
        _reorder_channels(layer, order)  # a depthwise convolution, and the norm after it


def reorder_group_inputs(conv: nn.Conv2d, orders: Sequence[Order]) -> None:
    """Reorder the inputs of every group of a grouped convolution by an order of its own."""
    groups = conv.weight.chunk(conv.groups)
    weight = [_take_columns(group, order) for group, order in zip(groups, orders, strict=True)]
    _set_weights(conv, torch.cat(weight), conv.bias)


def reorder_outputs(branch: Iterable[nn.Module], order: Order) -> None:
    """Change a branch to return ``output[:, order]`` in place of ``output``, ``(n, c, h, w)``."""
    layers = list(branch)
    last = max(at for at, layer in enumerate(layers) if isinstance(layer, nn.Conv2d))
    for layer in layers[last:]:
        _reorder_channels(layer, order)


def _reorder_channels(layer: nn.Module, order: Order) -> None:
    """Reorder the outputs of a layer, and its inputs too if each output depends on one input."""
    if isinstance(layer, nn.Conv2d):
        reorder_rows(layer, order)
    if isinstance(layer, nn.BatchNorm2d):
        _reorder_norm(layer, order)
    if isinstance(layer, SqueezeExcite):
        first, last = convolutions(layer.squeeze)
        _set_weights(first, _take_columns(first.weight, order), first.bias)
        reorder_rows(last, order)


def _reorder_norm(norm: nn.BatchNorm2d, order: Order) -> None:
    norm.weight = nn.Parameter(_take_rows(norm.weight.detach(), order))
    norm.bias = nn.Parameter(_take_rows(norm.bias.detach(), order))
    for statistic in (norm.running_mean, norm.running_var):
        if statistic is not None:
            statistic.copy_(_take_rows(statistic, order))


def pad_middle(branch: Iterable[nn.Module], multiple: int) -> None:
    """Pad the channels between the convolutions of a bottleneck with zeros, to a multiple."""
    convs = convolutions(branch)
    if len(convs) != 3 or convs[1].groups != convs[1].out_channels:
        return
    channels = convs[0].out_channels
    order = np.append(np.arange(channels), np.full(-channels % multiple, ZEROS))
    reorder_rows(convs[0], order)
    reorder_inputs(convs[1:], order)


def reorder_rows(conv: nn.Conv2d, order: Order) -> None:
    """Replace the output channels of a convolution by ``output[:, order]``.

    A depthwise convolution reorders its inputs alike; other groups keep their inputs.
    """
    bias = None if conv.bias is None else _take_rows(conv.bias, order)
    _set_weights(conv, _take_rows(conv.weight, order), bias)


def _set_weights(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> None:
    depthwise = conv.groups == conv.out_channels and conv.groups > 1
    conv.weight = nn.Parameter(weight.detach())
    conv.bias = None if bias is None else nn.Parameter(bias.detach())
    conv.out_channels = len(weight)
    if depthwise:
        conv.groups = conv.in_channels = len(weight)
    else:
        conv.in_channels = weight.shape[1] * conv.groups


def _take_rows(x: Tensor, order: Order) -> Tensor:
    """Return ``x[order]``, ``x`` being ``(n, ...)``, with zeros where ``order`` is ``ZEROS``."""
    index = torch.from_numpy(order).to(x.device)
    taken = x.index_select(0, index.clamp(min=0))
    return taken.masked_fill((index == ZEROS).view(-1, *[1] * (x.ndim - 1)), 0)


def _take_columns(weight: Tensor, order: Order) -> Tensor:
    return _take_rows(weight.transpose(0, 1), order).transpose(0, 1).contiguous()
