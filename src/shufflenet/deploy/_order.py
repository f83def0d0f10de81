"""Convolutions whose channels stand in another order, or among channels of zeros."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.channels import ZEROS, Order
from shufflenet.networks import SqueezeExcite, convolutions

__all__ = [
    "pad_middle",
    "read_groups_in_order",
    "read_in_order",
    "reorder_outputs",
    "write_in_order",
]


def read_in_order(branch: Iterable[nn.Module], order: Order) -> None:
    """Let a branch accept its input channels in the order in which they arrive."""
    for layer in branch:
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            _set(layer, _columns(layer.weight, order), layer.bias)
            return
        _pass_on(layer, order)  # a depthwise convolution, and the norm after it


def read_groups_in_order(conv: nn.Conv2d, orders: Sequence[Order]) -> None:
    """Let every group of a grouped convolution accept its own inputs in an order of their own."""
    groups = conv.weight.chunk(conv.groups)
    weight = [_columns(group, order) for group, order in zip(groups, orders, strict=True)]
    _set(conv, torch.cat(weight), conv.bias)


def write_in_order(branch: Iterable[nn.Module], order: Order) -> None:
    """Let a branch put its output channels out in another order."""
    layers = list(branch)
    last = max(at for at, layer in enumerate(layers) if isinstance(layer, nn.Conv2d))
    for layer in layers[last:]:
        _pass_on(layer, order)


def _pass_on(layer: nn.Module, order: Order) -> None:
    """Let a layer that keeps channels apart, or the last to mix them, give them in an order."""
    if isinstance(layer, nn.Conv2d):
        reorder_outputs(layer, order)
    if isinstance(layer, nn.BatchNorm2d):
        _reorder_norm(layer, order)
    if isinstance(layer, SqueezeExcite):
        first, last = convolutions(layer.squeeze)
        _set(first, _columns(first.weight, order), first.bias)
        reorder_outputs(last, order)


def _reorder_norm(norm: nn.BatchNorm2d, order: Order) -> None:
    norm.weight = nn.Parameter(_rows(norm.weight.detach(), order))
    norm.bias = nn.Parameter(_rows(norm.bias.detach(), order))
    for statistic in (norm.running_mean, norm.running_var):
        if statistic is not None:
            statistic.copy_(_rows(statistic, order))


def pad_middle(branch: Iterable[nn.Module], multiple: int) -> None:
    """Add channels of zeros between the 1x1, the depthwise and the 1x1 of a bottleneck."""
    found = convolutions(branch)
    if len(found) != 3 or found[1].groups != found[1].out_channels:
        return
    channels = found[0].out_channels
    order = np.append(np.arange(channels), np.full(-channels % multiple, ZEROS))
    reorder_outputs(found[0], order)
    read_in_order(found[1:], order)


def reorder_outputs(conv: nn.Conv2d, order: Order) -> None:
    """Let a convolution make other channels of its own, in this order; groups keep their inputs."""
    bias = None if conv.bias is None else _rows(conv.bias, order)
    _set(conv, _rows(conv.weight, order), bias)


def _set(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> None:
    depthwise = conv.groups == conv.out_channels and conv.groups > 1
    conv.weight = nn.Parameter(weight.detach())
    conv.bias = None if bias is None else nn.Parameter(bias.detach())
    conv.out_channels = len(weight)
    if depthwise:
        conv.groups = conv.in_channels = len(weight)
    else:
        conv.in_channels = weight.shape[1] * conv.groups


def _rows(x: Tensor, order: Order) -> Tensor:
    """Take rows by their number; those of nobody are zeros."""
    index = torch.from_numpy(order).to(x.device)
    taken = x.index_select(0, index.clamp(min=0))
    return taken.masked_fill((index == ZEROS).view(-1, *[1] * (x.ndim - 1)), 0)


def _columns(weight: Tensor, order: Order) -> Tensor:
    return _rows(weight.transpose(0, 1), order).transpose(0, 1).contiguous()
