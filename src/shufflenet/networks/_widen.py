"""A wide network of V2 that begins as a narrower one: it computes the same, and has room to learn.

The narrow network's channels keep their way: each becomes a channel that the same unit makes and
the same unit reads. The others begin at random, and what is read of them begins at zero.

Source of the idea: Chen et al. 2016, Net2Net, https://arxiv.org/abs/1511.05641; there channels are
doubled, here new ones stand beside the old.
"""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.channels import Order, find_positions, trace_stage
from shufflenet.errors import CheckpointMismatch
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import branches, convolutions
from shufflenet.spec import V2Spec, differing_fields

__all__ = ["can_widen", "widen"]


class _NoPartner(Exception):
    """A channel is made and read by units between which the wide stage has no channel left."""


def can_widen(narrow: ShuffleNet, wide: ShuffleNet) -> bool:
    """Whether ``widen`` is for these: networks of V2 that differ in width and in classes."""
    small, large = narrow.spec, wide.spec
    if not (isinstance(small, V2Spec) and isinstance(large, V2Spec)):
        return False
    free = {"name", "stages", "stem_channels", "head_channels", "classes", "stem_stride", "dropout"}
    same_depth = [s.repeats for s in small.stages] == [s.repeats for s in large.stages]
    pairs = zip(_widths(small), _widths(large), strict=False)
    return same_depth and all(a <= b for a, b in pairs) and differing_fields(small, large) <= free


def _widths(spec: V2Spec) -> list[int]:
    return [spec.stem_channels, *(stage.channels for stage in spec.stages), spec.head_channels]


@torch.no_grad()
def widen(narrow: ShuffleNet, wide: ShuffleNet) -> ShuffleNet:
    """Give a copy of a wide network that computes what a narrow one does.

    Args:
        narrow: A network of V2.
        wide: One with as many units, and at least as many channels everywhere; what is left of its
            weights are those of the channels the narrow one does not have. Where their numbers of
            classes differ, its classifier stays.

    Raises:
        CheckpointMismatch: it is no wider form of the narrow one, or some channels of the
            narrow one go from a unit to another between which the wide one has none (0.25 to 0.5).
    """
    if not can_widen(narrow, wide):
        raise CheckpointMismatch(wide.spec.name, [f"{narrow.spec.name} is no narrower form of it"])
    wide = deepcopy(wide)
    at = _placed(narrow.conv1, wide.conv1, np.arange(wide.spec.in_channels), None)
    for small, large in zip(narrow.stages, wide.stages, strict=True):
        try:
            at = _widen_stage(small, large, at)
        except _NoPartner as error:
            reason = f"{narrow.spec.name} has channels that go a way which none of its own go"
            raise CheckpointMismatch(wide.spec.name, [reason]) from error
    at = _placed(narrow.conv5, wide.conv5, at, None)
    if narrow.fc.out_features == wide.fc.out_features:
        _place(narrow.fc, wide.fc, np.arange(wide.fc.out_features), at)
    return wide


def _widen_stage(narrow: nn.Sequential, wide: nn.Sequential, arrival: Order) -> Order:
    """Widen a stage whose input channels stand at ``arrival``; say where its outputs stand."""
    (small, split), (large, _) = branches(narrow), branches(wide)
    made = [[convolutions(branch)[-1].out_channels for branch in s] for s in (small, large)]
    (out, reads), (wide_out, wide_reads) = (trace_stage(counts, split) for counts in made)
    name = _partners(made, [*reads, out], [*wide_reads, wide_out])
    inputs = [arrival, arrival]
    inputs += [find_positions(wide_reads[k], name[read]) for k, read in enumerate(reads)]
    starts = [np.cumsum([0, *counts]) for counts in made]
    for number, (branch, wide_branch) in enumerate(zip(small, large, strict=True)):
        first, last = starts[0][number : number + 2]
        rows = name[first:last] - starts[1][number]
        _placed(branch, wide_branch, inputs[number], rows)
    return find_positions(wide_out, name[out])


def _partners(made: list[list[int]], reads: list[Order], wide_reads: list[Order]) -> Order:
    """Give the name in the wide stage of every channel of the narrow one.

    Partners are made by the same branch and read by the same unit.

    Raises:
        _NoPartner: there are fewer of some kind in the wide stage.
    """
    name = np.empty(sum(made[0]), np.intp)
    bounds = [list(pairwise(np.cumsum([0, *counts]))) for counts in made]
    for ours, theirs in zip(reads, wide_reads, strict=True):
        for (first, last), (wide_first, wide_last) in zip(*bounds, strict=True):
            few = np.sort(ours[(ours >= first) & (ours < last)])
            many = np.sort(theirs[(theirs >= wide_first) & (theirs < wide_last)])
            if len(few) > len(many):
                raise _NoPartner
            name[few] = many[: len(few)]
    return name


def _placed(narrow: nn.Module, wide: nn.Module, at: Order, rows: Order | None) -> Order:
    """Place layers that follow each other, of which the last convolution writes to ``rows``.

    Args:
        narrow: Convolutions, each with its batch norm.
        wide: The same of the wide network.
        at: Where the channels they read stand in the wide network.
        rows: Where what they make is to stand; first of all unless given.

    Returns:
        Where what they make stands.
    """
    convs = list(zip(*(convolutions(net.children()) for net in (narrow, wide)), strict=True))
    norms = zip(_norms(narrow), _norms(wide), strict=True)
    for (conv, wide_conv), (norm, wide_norm) in zip(convs, norms, strict=True):
        columns = np.arange(1)  # all that a depthwise convolution has
        if conv.groups == 1:
            columns, at = at, np.arange(conv.out_channels)
            at = rows if rows is not None and conv is convs[-1][0] else at
        _place(conv, wide_conv, at, columns)
        _place_norm(norm, wide_norm, at)
    return at


def _norms(layers: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in layers.children() if isinstance(layer, nn.BatchNorm2d)]


def _place(
    narrow: nn.Conv2d | nn.Linear, wide: nn.Conv2d | nn.Linear, rows: Order, columns: Order
) -> None:
    """Put weights into some rows; what else these rows read counts nothing for now."""
    to = torch.from_numpy(rows)
    placed: Tensor = wide.weight.new_zeros(len(rows), *wide.weight.shape[1:])
    placed[:, torch.from_numpy(columns)] = narrow.weight
    wide.weight[to] = placed
    if narrow.bias is not None and wide.bias is not None:
        wide.bias[to] = narrow.bias


def _place_norm(narrow: nn.BatchNorm2d, wide: nn.BatchNorm2d, rows: Order) -> None:
    to = torch.from_numpy(rows)
    for key, value in narrow.state_dict().items():
        if value.ndim:  # not the number of batches
            wide.state_dict()[key][to] = value
