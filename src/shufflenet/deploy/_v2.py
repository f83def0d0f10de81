"""A stage of ShuffleNet V2 or V2+ without its shuffle."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shufflenet.channels import Order, count_transfers, find_positions, route, trace_stage
from shufflenet.deploy._order import pad_middle, read_in_order, write_in_order
from shufflenet.networks import ShuffleNet, branches, convolutions

__all__ = ["RoutedStage", "deploy_v2", "route_stages"]

# ONNX Runtime computes convolutions in blocks of channels, several times faster than otherwise,
# where it is told channels by fours (nchwc_transformer.cc); a half of 58 or 122 is not.
_MULTIPLE = 4


def deploy_v2(folded: ShuffleNet) -> ShuffleNet:
    """Take the shuffle out of a network of V2 or V2+ whose batch norms are folded; it is used up.

    Where channels are not even in fours, channels of zeros are added, which change nothing.
    """
    for stage in folded.stages:
        for branch in branches(stage)[0]:
            pad_middle(branch, _MULTIPLE)
    return route_stages(folded, _MULTIPLE)


def route_stages(net: ShuffleNet, multiple: int = 1) -> ShuffleNet:
    """Take the shuffle out of a network of V2 or V2+, which is used up; norms may be left in it.

    Layers keep their names. Where what a unit reads is not a multiple of ``multiple`` channels,
    channels of zeros are added, for which norms must be folded.
    """
    order: Order = np.arange(convolutions(net.conv1.children())[-1].out_channels)
    for number, stage in enumerate(net.stages, 2):
        routed, order = _routed(stage, order, multiple)
        net.add_module(f"stage{number}", routed)
    read_in_order(net.conv5.children(), order)
    return net


class RoutedStage(nn.Sequential):
    """A stage in which channels go straight from the convolution that makes to the one that reads.

    ``routes[p]`` lists, for producer ``p`` (the two branches of the unit that opens the stage,
    then the branch of every unit after it), to which consumer how many of its channels go:
    consumer ``k`` is the ``k``-th unit after the first, the last is the way out.
    """

    def __init__(
        self, units: Iterable[nn.Module], routes: tuple[tuple[tuple[int, int], ...], ...]
    ) -> None:
        super().__init__(*units)
        self.routes = routes

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        inboxes: list[list[Tensor]] = [[] for _ in self]
        routes = iter(self.routes)
        first, second, *keep = branches(self)[0]
        for branch in (first, second):
            _hand_out(branch(x), next(routes), inboxes)
        for inbox, branch in zip(inboxes, keep, strict=False):
            _hand_out(branch(_joined(inbox)), next(routes), inboxes)
        return _joined(inboxes[-1])


def _hand_out(x: Tensor, routes: tuple[tuple[int, int], ...], inboxes: list[list[Tensor]]) -> None:
    consumers, sizes = zip(*routes, strict=True)
    pieces = x.split_with_sizes(sizes, dim=1) if len(sizes) > 1 else [x]
    for consumer, piece in zip(consumers, pieces, strict=True):
        inboxes[consumer].append(piece)


def _joined(pieces: list[Tensor]) -> Tensor:
    return torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0]


def _routed(stage: nn.Sequential, arrival: Order, multiple: int) -> tuple[RoutedStage, Order]:
    """Route a stage whose input arrives in the order ``arrival``.

    Returns:
        The stage, and the order in which its output leaves.
    """
    producers, split = branches(stage)
    for branch in producers[:2]:
        read_in_order(branch, arrival)
    made = [convolutions(branch)[-1].out_channels for branch in producers]
    out, reads = trace_stage(made, split)
    routing = route(made, [*reads, out], _zeros(count_transfers(made, [*reads, out]), multiple))
    for branch, rows in zip(producers, routing.rows, strict=True):
        write_in_order(branch, rows)
    for branch, read, arrived in zip(producers[2:], reads, routing.arrivals, strict=False):
        read_in_order(branch, find_positions(read, arrived))
    return RoutedStage(stage, routing.routes), find_positions(out, routing.arrivals[-1])


def _zeros(shares: npt.NDArray[np.intp], multiple: int) -> npt.NDArray[np.intp]:
    """Make what every consumer reads a multiple: zeros from its last producer, if any are due."""
    zeros = np.zeros_like(shares)
    for consumer, share in enumerate(shares.T):
        zeros[np.flatnonzero(share)[-1], consumer] = -share.sum() % multiple
    return zeros
