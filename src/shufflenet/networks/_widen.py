"""Wide networks of V2 that start as a narrower one: they compute the same and have room to learn.

Every channel of the narrow network becomes a channel of the wide one that the same unit computes
and the same unit reads. The other channels start with random weights; weights that read them start
at zero.

Source of the idea: Chen et al. 2016, Net2Net, https://arxiv.org/abs/1511.05641; there channels are
duplicated, here new ones are added beside the old.
"""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from shufflenet.channels import Order, find_positions, trace_stage
from shufflenet.errors import CheckpointMismatch
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import convolutions
from shufflenet.networks._v2 import branches
from shufflenet.spec import V2Spec, differing_fields

__all__ = ["can_widen", "widen"]


class _NoPartner(Exception):
    """The wide stage has too few channels between a pair of units."""


def can_widen(narrow: ShuffleNet, wide: ShuffleNet) -> bool:
    """Whether both are networks of V2 that differ only in width, stem stride and classes."""
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
    """Return a copy of a wide network that computes what a narrow one does.

    Args:
        narrow: A network of V2.
        wide: A network with as many units and at least as many channels everywhere. The copy keeps
            its weights for the channels that the narrow one lacks, and its classifier if the
            numbers of classes differ.

    Raises:
        CheckpointMismatch: ``wide`` is not a wider form of ``narrow``, or some channels of
            ``narrow`` go from one unit to another between which ``wide`` has too few (0.25 to 0.5).
    """
    if not can_widen(narrow, wide):
        raise CheckpointMismatch(wide.spec.name, [f"{narrow.spec.name} is no narrower form of it"])
    wide = deepcopy(wide)
    places = _place_layers(narrow.conv1, wide.conv1, np.arange(wide.spec.in_channels), None)
    for small, large in zip(narrow.stages, wide.stages, strict=True):
        try:
            places = _widen_stage(small, large, places)
        except _NoPartner as error:
            reason = f"{narrow.spec.name} has more channels between two of its units"
            raise CheckpointMismatch(wide.spec.name, [reason]) from error
    places = _place_layers(narrow.conv5, wide.conv5, places, None)
    if narrow.fc.out_features == wide.fc.out_features:
        _place(narrow.fc, wide.fc, np.arange(wide.fc.out_features), places)
    return wide


def _widen_stage(narrow: nn.Sequential, wide: nn.Sequential, places: Order) -> Order:
    """Widen a stage.

    Args:
        narrow: The stage of the narrow network.
        wide: The stage of the wide network, which is changed.
        places: The positions of the narrow stage's input channels in the wide stage's input.

    Returns:
        The positions of the narrow stage's output channels in the wide stage's output.
    """
    (small, split), (large, _) = branches(narrow), branches(wide)
    widths = [[convolutions(branch)[-1].out_channels for branch in s] for s in (small, large)]
    (out, reads), (wide_out, wide_reads) = (trace_stage(counts, split) for counts in widths)
    partner = _match_channels(widths, [*reads, out], [*wide_reads, wide_out])
    inputs = [places, places]  # of the two branches of the opening unit
    inputs += [find_positions(wide_reads[k], partner[names]) for k, names in enumerate(reads)]
    starts = [np.cumsum([0, *counts]) for counts in widths]
    for number, (branch, wide_branch) in enumerate(zip(small, large, strict=True)):
        first, last = starts[0][number : number + 2]
        rows = partner[first:last] - starts[1][number]
        _place_layers(branch, wide_branch, inputs[number], rows)
    return find_positions(wide_out, partner[out])


def _match_channels(widths: list[list[int]], reads: list[Order], wide_reads: list[Order]) -> Order:
    """Return for every channel of the narrow stage a channel of the wide stage.

    The same branch computes both, and the same unit reads both.

    Raises:
        _NoPartner: the wide stage has fewer channels between a branch and a unit.
    """
    partner = np.empty(sum(widths[0]), np.intp)
    bounds = [list(pairwise(np.cumsum([0, *counts]))) for counts in widths]
    for names, wide_names in zip(reads, wide_reads, strict=True):
        for (first, last), (wide_first, wide_last) in zip(*bounds, strict=True):
            few = np.sort(names[(names >= first) & (names < last)])
            many = np.sort(wide_names[(wide_names >= wide_first) & (wide_names < wide_last)])
            if len(few) > len(many):
                raise _NoPartner
            partner[few] = many[: len(few)]
    return partner


def _place_layers(narrow: nn.Module, wide: nn.Module, places: Order, rows: Order | None) -> Order:
    """Copy the weights of consecutive layers into those of the wide network.

    Args:
        narrow: Convolutions, each with its batch norm.
        wide: The same layers of the wide network.
        places: The positions of the narrow layers' input channels in the wide layers' input.
        rows: The positions of their output channels; the first ones if None.

    Returns:
        The positions of their output channels.
    """
    convs = list(zip(*(convolutions(net.children()) for net in (narrow, wide)), strict=True))
    norms = zip(_norms(narrow), _norms(wide), strict=True)
    for (conv, wide_conv), (norm, wide_norm) in zip(convs, norms, strict=True):
        if conv.groups == 1:
            columns, places = places, np.arange(conv.out_channels)
            if rows is not None and conv is convs[-1][0]:
                places = rows
        else:  # depthwise: outputs stand where inputs do
            columns = np.arange(1)
        _place(conv, wide_conv, places, columns)
        _place_norm(norm, wide_norm, places)
    return places


def _norms(layers: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in layers.children() if isinstance(layer, nn.BatchNorm2d)]


def _place(
    narrow: nn.Conv2d | nn.Linear, wide: nn.Conv2d | nn.Linear, rows: Order, columns: Order
) -> None:
    """Copy weights to these rows and columns; the other columns of the rows become zero."""
    index = torch.from_numpy(rows)
    weight: Tensor = wide.weight.new_zeros(len(rows), *wide.weight.shape[1:])
    weight[:, torch.from_numpy(columns)] = narrow.weight
    wide.weight[index] = weight
    if narrow.bias is not None and wide.bias is not None:
        wide.bias[index] = narrow.bias


def _place_norm(narrow: nn.BatchNorm2d, wide: nn.BatchNorm2d, rows: Order) -> None:
    index = torch.from_numpy(rows)
    for key, value in narrow.state_dict().items():
        if value.ndim:  # not the number of batches
            wide.state_dict()[key][index] = value
