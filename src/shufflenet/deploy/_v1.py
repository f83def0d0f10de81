"""ShuffleNet V1 whose shuffles move blocks instead of channels."""

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.blocks import ChannelShuffle
from shufflenet.deploy._order import convolutions, read_groups_in_order, reordered
from shufflenet.trunk import ShuffleNet
from shufflenet.v1 import V1Unit
from shufflenet.wiring import positions, route, shuffled

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
    """Hand every consumer the slices meant for it; ``routes`` as in ``wiring.Routing``."""

    def __init__(self, routes: tuple[tuple[tuple[int, int], ...], ...]) -> None:
        super().__init__()
        pieces = [piece for own in routes for piece in own]
        self.sizes = [size for _, size in pieces]
        self.order = sorted(range(len(pieces)), key=lambda number: pieces[number][0])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        pieces = x.split_with_sizes(self.sizes, dim=1)
        return torch.cat([pieces[number] for number in self.order], dim=1)


def _absorbed(unit: V1Unit, shuffle_groups: int) -> nn.Module:
    """Order a unit's middle by who reads it; give what is left to do between its convolutions."""
    (first,), (depthwise,), (second,) = map(convolutions, (unit.pw1, unit.dw, unit.pw2))
    middle = first.out_channels
    made = [middle // first.groups] * first.groups
    reads = np.split(shuffled(np.arange(middle), shuffle_groups), second.groups)
    routing = route(made, reads)
    starts = np.cumsum([0, *made[:-1]])
    rows = np.concatenate([start + own for start, own in zip(starts, routing.rows, strict=True)])
    reordered(first, rows)
    reordered(depthwise, rows)
    read_groups_in_order(
        second,
        [positions(read, names) for read, names in zip(reads, routing.arrivals, strict=True)],
    )
    return BlockShuffle(routing.routes) if first.groups > 1 else nn.Identity()
