"""ShuffleNet V1 whose shuffles move blocks of channels instead of single ones."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.channels import Order, find_positions, interleave, route
from shufflenet.deploy._reorder import reorder_group_inputs, reorder_rows
from shufflenet.networks import AnyNetwork, ChannelShuffle, V1Unit, convolutions

__all__ = ["BlockShuffle", "deploy_v1"]

_Net = TypeVar("_Net", bound=AnyNetwork)


def deploy_v1(folded: _Net) -> _Net:
    """Replace every shuffle of a network of V1 by one that moves blocks, in place.

    A shuffle sends channels of every group of the first 1x1 convolution to every group of the
    second. Inside a group the order of channels can be that of the weights, so channels with the
    same destination are stored together, and only ``groups ** 2`` blocks move. If the first
    convolution is not grouped, nothing moves.
    """
    for unit in (module for module in folded.modules() if isinstance(module, V1Unit)):
        if isinstance(unit.shuffle, ChannelShuffle):
            unit.shuffle = _absorb_shuffle(unit, unit.shuffle.groups)
    return folded


class BlockShuffle(nn.Module):
    """A permutation of channels, exported as one Gather."""

    order: Tensor

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.register_buffer("order", torch.from_numpy(order), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x[:, order]``, the same shape as ``x``, ``(n, c, h, w)``."""
        return x.index_select(1, self.order)


def _absorb_shuffle(unit: V1Unit, shuffle_groups: int) -> nn.Module:
    """Order the channels inside a unit by the group that reads them.

    Returns:
        What remains to be done between the depthwise and the second 1x1 convolution.
    """
    (first,), (depthwise,), (second,) = map(convolutions, (unit.pw1, unit.dw, unit.pw2))
    middle = first.out_channels
    widths = [middle // first.groups] * first.groups
    reads = np.split(interleave(np.arange(middle), shuffle_groups), second.groups)
    routing = route(widths, reads)
    starts = np.cumsum([0, *widths[:-1]])
    rows = np.concatenate([s + within for s, within in zip(starts, routing.rows, strict=True)])
    reorder_rows(first, rows)
    reorder_rows(depthwise, rows)
    reorder_group_inputs(
        second,
        [find_positions(read, names) for read, names in zip(reads, routing.arrivals, strict=True)],
    )
    if first.groups == 1:
        return nn.Identity()
    return BlockShuffle(find_positions(rows, np.concatenate(routing.arrivals)))
