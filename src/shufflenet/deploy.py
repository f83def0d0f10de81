"""The network that ships: batch norms folded into convolutions, and no shuffle.

A shuffle only renames channels, and a convolution's weights can be stored in any channel order.
So channels are followed by name through every stage: each is made by one convolution (its
producer) and read by one (its consumer: the unit that transforms it, or whatever follows the
stage). Every producer's rows are ordered by consumer, so that one split hands each consumer its
channels; every consumer joins what it was handed, and has its columns in that order. Channels that
a unit would let pass are not touched at all.
"""

import copy
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.blocks import KeepUnit, OpeningUnit, SqueezeExcite
from shufflenet.spec import Split, V2PlusSpec, V2Spec
from shufflenet.trunk import ShuffleNet
from shufflenet.wiring import Order, follow, positions

__all__ = ["Deployed", "DeployedStage", "compact", "deploy", "fold_batch_norms"]


def deploy(net: ShuffleNet) -> nn.Module:
    """Make the network that computes what ``net`` computes in evaluation, and ships.

    Batch norms are folded in every network. The shuffle or split of V2 and V2+ is gone, exactly;
    V1 keeps its shuffle, between groups that a permutation of weights cannot move, and Large and
    ExLarge keep their split, since they add what a unit makes to what it read.

    The result equals ``net`` to rounding; ``net`` is left as it is.
    """
    folded = fold_batch_norms(net)
    if not isinstance(net.spec, V2Spec | V2PlusSpec):
        return folded
    order: Order = np.arange(net.spec.stem_channels)
    stages = []
    for stage in folded.stages:
        deployed, order = _route(stage, order)
        stages.append(deployed)
    _read_in_order([*folded.conv5.children()], order)
    return Deployed(folded, stages).eval()


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
        routes: list[list[tuple[int, int]]],
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


def _hand_out(x: Tensor, routes: list[tuple[int, int]], inboxes: list[list[Tensor]]) -> None:
    consumers, sizes = zip(*routes, strict=True)
    pieces = x.split_with_sizes(sizes, dim=1) if len(sizes) > 1 else [x]
    for consumer, piece in zip(consumers, pieces, strict=True):
        inboxes[consumer].append(piece)


def _joined(pieces: list[Tensor]) -> Tensor:
    return torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0]


def _route(stage: nn.Sequential, arrival: Order) -> tuple[DeployedStage, Order]:
    """Deploy a stage of folded units whose input arrives in the order ``arrival``.

    Returns:
        The stage, and the order in which its output leaves.
    """
    producers, split = _branches(stage)
    opening, keep = producers[:2], producers[2:]
    for branch in opening:
        _read_in_order(branch, arrival)
    made = [_last_conv(branch).out_channels for branch in producers]
    channels, reads = follow(made, split)
    consumer = np.full(sum(made), len(keep))
    for number, read in enumerate(reads):
        consumer[read] = number
    arrivals: list[list[Order]] = [[] for _ in range(len(keep) + 1)]
    routes = []
    names = np.split(np.arange(sum(made)), np.cumsum(made)[:-1])
    for branch, own in zip(producers, names, strict=True):
        order = np.argsort(consumer[own], kind="stable")
        _write_in_order(branch, order)
        targets, counts = np.unique(consumer[own], return_counts=True)
        routes.append(list(zip(targets.tolist(), counts.tolist(), strict=True)))
        pieces = np.split(own[order], np.cumsum(counts)[:-1])
        for target, piece in zip(targets, pieces, strict=True):
            arrivals[target].append(piece)
    for branch, read, arrived in zip(keep, reads, arrivals, strict=False):
        _read_in_order(branch, positions(read, np.concatenate(arrived)))
    out = positions(channels, np.concatenate(arrivals[-1]))
    return DeployedStage(opening, keep, routes), out


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


def _last_conv(branch: nn.Sequential) -> nn.Conv2d:
    return [layer for layer in branch if isinstance(layer, nn.Conv2d)][-1]


def _read_in_order(branch: Iterable[nn.Module], order: Order) -> None:
    """Let a branch accept its input channels in the order in which they arrive."""
    for conv in (layer for layer in branch if isinstance(layer, nn.Conv2d)):
        if conv.groups == 1:
            _take(conv, order, axis=1)
            return
        _take(conv, order, axis=0)  # a depthwise convolution passes the order on


def _write_in_order(branch: nn.Sequential, order: Order) -> None:
    """Let a branch put its output channels out in another order."""
    _take(_last_conv(branch), order, axis=0)
    for excite in (layer for layer in branch if isinstance(layer, SqueezeExcite)):
        first, *_, last = [layer for layer in excite.squeeze if isinstance(layer, nn.Conv2d)]
        _take(first, order, axis=1)
        _take(last, order, axis=0)


def _take(conv: nn.Conv2d, order: Order, axis: int) -> None:
    """Reorder a convolution's output channels (axis 0) or its input channels (axis 1)."""
    index = torch.from_numpy(order).to(conv.weight.device)
    with torch.no_grad():
        conv.weight.copy_(conv.weight.index_select(axis, index))
        if axis == 0 and conv.bias is not None:
            conv.bias.copy_(conv.bias[index])


def fold_batch_norms(net: ShuffleNet) -> ShuffleNet:
    """Copy a network, with every batch norm folded into the convolution before it."""
    net = copy.deepcopy(net).eval()
    for name, module in reversed(list(net.named_modules())):  # parts before the whole
        if isinstance(module, nn.Sequential) and any(isinstance(m, nn.BatchNorm2d) for m in module):
            net.set_submodule(name, _folded(module))
    return net


def _folded(layers: nn.Sequential) -> nn.Sequential:
    folded = {conv: _fold(conv, norm) for conv, norm in _convs_and_norms(layers)}
    kept = (layer for layer in layers if not isinstance(layer, nn.BatchNorm2d))
    return nn.Sequential(*(folded.get(layer, layer) for layer in kept))  # type: ignore[call-overload]  # a layer that is no convolution is just not found


def _convs_and_norms(layers: nn.Sequential) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    for conv, norm in pairwise(layers):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            yield conv, norm


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Make one convolution of a convolution without bias and the batch norm after it.

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
    """Copy a network so that its weights, and those of the deployed network, are float16 numbers.

    Such weights take half the room in our files and are exact there. The scale ``s`` of every
    batch norm moves into its convolution, whose weights are then rounded to float16; what is left
    of the norm has scale 1 in evaluation and, in training, the statistics of what it now sees:
    mean ``s * mean``, variance ``s**2 * var``. The copy differs from ``net`` by the rounding
    alone, about 1 part in 2,000 a weight: measure its accuracy.
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
    norm.weight.copy_((variance + norm.eps).sqrt())  # the very divisor of _fold: a scale of 1


def _float16(x: Tensor) -> Tensor:
    return x.half().to(x.dtype)
