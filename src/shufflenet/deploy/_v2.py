"""A stage of ShuffleNet V2 or V2+ without its shuffle."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shufflenet.blocks import KeepUnit, OpeningUnit
from shufflenet.deploy._order import convolutions, read_in_order, widened_middle, write_in_order
from shufflenet.spec import Split
from shufflenet.trunk import ShuffleNet
from shufflenet.wiring import Order, follow, positions, route, shares

__all__ = ["Deployed", "DeployedStage", "deploy_v2"]

# ONNX Runtime computes convolutions in blocks of channels, several times faster than otherwise,
# where it is told channels by fours (nchwc_transformer.cc); a half of 58 or 122 is not.
_MULTIPLE = 4


def deploy_v2(folded: ShuffleNet) -> "Deployed":
    """Take the shuffle out of a network of V2 or V2+ whose batch norms are folded; it is used up.

    Where channels are not even in fours, channels of zeros are added, which change nothing.
    """
    order: Order = np.arange(convolutions(folded.conv1.children())[-1].out_channels)
    stages = []
    for stage in folded.stages:
        deployed, order = _deployed(stage, order)
        stages.append(deployed)
    read_in_order(folded.conv5.children(), order)
    return Deployed(folded, stages)


class Deployed(nn.Module):
    """A ShuffleNet V2 or V2+ without batch norm and without shuffle."""

    def __init__(self, folded: ShuffleNet, stages: list["DeployedStage"]) -> None:
        super().__init__()
        self.conv1, self.maxpool = folded.conv1, folded.maxpool
        self.stages = nn.Sequential(*stages)
        self.conv5, self.neck, self.fc = folded.conv5, folded.neck, folded.fc

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)`` to logits ``(n, classes)``."""
        x = self.conv5(self.stages(self.maxpool(self.conv1(images))))
        logits: Tensor = self.fc(self.neck(x.mean(dim=(2, 3))))
        return logits


class DeployedStage(nn.Module):
    """A stage in which channels go straight from the convolution that makes to the one that reads.

    ``opening`` are the two branches that shrink the image; ``keep`` the branches of the units
    after them. ``routes[p]`` lists, for producer ``p`` (the branches in that order), to which
    consumer how many of its channels go: consumer ``k`` is ``keep[k]``, the last is the way out.
    """

    def __init__(
        self,
        opening: list[nn.Sequential],
        keep: list[nn.Sequential],
        routes: tuple[tuple[tuple[int, int], ...], ...],
    ) -> None:
        super().__init__()
        self.opening, self.keep = nn.ModuleList(opening), nn.ModuleList(keep)
        self.routes = routes

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        inboxes: list[list[Tensor]] = [[] for _ in range(len(self.keep) + 1)]
        routes = iter(self.routes)
        for branch in self.opening:
            _hand_out(branch(x), next(routes), inboxes)
        for inbox, branch in zip(inboxes, self.keep, strict=False):
            _hand_out(branch(_joined(inbox)), next(routes), inboxes)
        return _joined(inboxes[-1])


def _hand_out(x: Tensor, routes: tuple[tuple[int, int], ...], inboxes: list[list[Tensor]]) -> None:
    consumers, sizes = zip(*routes, strict=True)
    pieces = x.split_with_sizes(sizes, dim=1) if len(sizes) > 1 else [x]
    for consumer, piece in zip(consumers, pieces, strict=True):
        inboxes[consumer].append(piece)


def _joined(pieces: list[Tensor]) -> Tensor:
    return torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0]


def _deployed(stage: nn.Sequential, arrival: Order) -> tuple[DeployedStage, Order]:
    """Deploy a stage of folded units whose input arrives in the order ``arrival``.

    Returns:
        The stage, and the order in which its output leaves.
    """
    producers, split = _branches(stage)
    opening, keep = producers[:2], producers[2:]
    for branch in opening:
        read_in_order(branch, arrival)
    made = [convolutions(branch)[-1].out_channels for branch in producers]
    out, reads = follow(made, split)
    routing = route(made, [*reads, out], _zeros(shares(made, [*reads, out])))
    for branch, rows in zip(producers, routing.rows, strict=True):
        write_in_order(branch, rows)
        widened_middle(branch, _MULTIPLE)
    for branch, read, arrived in zip(keep, reads, routing.arrivals, strict=False):
        read_in_order(branch, positions(read, arrived))
    return DeployedStage(opening, keep, routing.routes), positions(out, routing.arrivals[-1])


def _zeros(shares: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Give every consumer channels even in fours: zeros from its last producer, if any are due."""
    zeros = np.zeros_like(shares)
    for consumer, share in enumerate(shares.T):
        zeros[np.flatnonzero(share)[-1], consumer] = -share.sum() % _MULTIPLE
    return zeros


def _branches(stage: nn.Sequential) -> tuple[list[nn.Sequential], Split]:
    """List the branches of a stage: two of the unit that opens it, one of each that keeps."""
    branches: list[nn.Sequential] = []
    split: Split = "halves"
    for unit in stage:
        if isinstance(unit, OpeningUnit):
            branches += [unit.branch1, unit.branch2]
            split = unit.split
        if isinstance(unit, KeepUnit):
            branches.append(unit.branch2)
    return branches, split
