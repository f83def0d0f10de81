"""ShuffleNet V1 whose shuffles move blocks instead of channels."""

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.channels import Order, find_positions, interleave, route
from shufflenet.deploy._order import read_groups_in_order, reorder_outputs
from shufflenet.networks import ChannelShuffle, ShuffleNet, V1Unit, convolutions

__all__ = ["BlockShuffle", "deploy_v1"]


def deploy_v1(folded: ShuffleNet) -> ShuffleNet:
    """Leave of every shuffle what goes from group to group; the network is changed in place.

    A shuffle hands every group of the second 1x1 convolution some channels of every group of the
    first. Inside a group their order is a matter of weights, so those with the same destination
    stand together there, and ``groups ** 2`` blocks are left to move. Where the first convolution
    is not grouped, nothing is left.
    """
    for unit in (module for module in folded.modules() if isinstance(module, V1Unit)):
        if isinstance(unit.shuffle, ChannelShuffle):
            unit.shuffle = _absorbed(unit, unit.shuffle.groups)
    return folded


class BlockShuffle(nn.Module):
    """Put channels, ``(n, c, h, w)``, in another order; as one Gather, which moves them once."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.register_buffer("order", torch.from_numpy(order), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        return x.index_select(1, self.get_buffer("order"))


def _absorbed(unit: V1Unit, shuffle_groups: int) -> nn.Module:
    """Order a unit's middle by who reads it; give what is left to do between its convolutions."""
    (first,), (depthwise,), (second,) = map(convolutions, (unit.pw1, unit.dw, unit.pw2))
    middle = first.out_channels
    made = [middle // first.groups] * first.groups
    reads = np.split(interleave(np.arange(middle), shuffle_groups), second.groups)
    routing = route(made, reads)
    starts = np.cumsum([0, *made[:-1]])
    rows = np.concatenate([start + own for start, own in zip(starts, routing.rows, strict=True)])
    reorder_outputs(first, rows)
    reorder_outputs(depthwise, rows)
    read_groups_in_order(
        second,
        [find_positions(read, names) for read, names in zip(reads, routing.arrivals, strict=True)],
    )
    if first.groups == 1:
        return nn.Identity()
    return BlockShuffle(find_positions(rows, np.concatenate(routing.arrivals)))
