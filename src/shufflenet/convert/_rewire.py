"""Permuting weights so that a network with another channel shuffle computes the same.

The two ways of V2 to split, and the two of V1 to shuffle, differ in which channel goes where. If
the same number of channels goes from every producer to every consumer, permuted weights compute the
same in the other way. Otherwise no permutation does, and the error gives the reason.
"""

from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.channels import Order, find_positions, interleave, trace_stage
from shufflenet.convert._read import Arrays
from shufflenet.spec import NetworkSpec, V1Spec, V2Spec, differing_fields

__all__ = ["NotRewirable", "rewire"]

_Number = TypeVar("_Number", bound=np.generic)


class NotRewirable(Exception):
    """No permutation of weights makes one network compute what the other does."""


def rewire(arrays: Arrays, spec: NetworkSpec, target: NetworkSpec) -> Arrays:
    """Return the weights with which ``target`` computes what ``spec`` computes with ``arrays``.

    Both have the names and the shapes of their network's state.

    Raises:
        NotRewirable: there are none; its text gives the reason as a clause.
    """
    arrays = _match_classifier_bias(target, arrays)
    if isinstance(spec, V2Spec) and isinstance(target, V2Spec):
        _require_same_units(spec, target)
        arrays = _rewire_v2(arrays, spec, target) if spec.split != target.split else arrays
        spec = replace(spec, split=target.split, projection=target.projection)
    if isinstance(spec, V1Spec) and isinstance(target, V1Spec):
        arrays = _rewire_v1(arrays, spec, target) if spec.shuffle != target.shuffle else arrays
        spec = replace(spec, shuffle=target.shuffle)
    _require_same(spec, target)
    return arrays


_FREE = {"name", "dropout", "classifier_bias"}  # differences that do not change weights


def _require_same(spec: NetworkSpec, target: NetworkSpec) -> None:
    if type(spec) is not type(target):
        raise NotRewirable("it is a network of another generation")
    for field in sorted(differing_fields(spec, target) - _FREE):
        ours, theirs = getattr(spec, field), getattr(target, field)
        raise NotRewirable(f"its {field.replace('_', ' ')} would have to be {theirs}, not {ours}")


def _match_classifier_bias(target: NetworkSpec, arrays: Arrays) -> Arrays:
    weight, bias = arrays["fc.weight"], arrays.get("fc.bias")
    if target.classifier_bias and bias is None:
        return arrays | {"fc.bias": np.zeros(len(weight), weight.dtype)}
    if not target.classifier_bias and bias is not None:
        if bias.any():
            raise NotRewirable("its classifier has a bias, and theirs has none")
        return {name: array for name, array in arrays.items() if name != "fc.bias"}
    return arrays


def _producer_widths(spec: V2Spec) -> list[list[int]]:
    """Return for every stage the number of output channels of each producer."""
    inputs = (spec.stem_channels, *(stage.channels for stage in spec.stages))
    widths = []
    for in_channels, stage in zip(inputs, spec.stages, strict=False):
        projected = spec.projected(in_channels, stage.channels)
        keep = [stage.channels // 2] * (stage.repeats - 1)
        widths.append([projected, stage.channels - projected, *keep])
    return widths


def _require_same_units(spec: V2Spec, target: V2Spec) -> None:
    if [s.channels for s in spec.stages] != [s.channels for s in target.stages]:
        return  # _require_same reports it
    for number, (ours, theirs) in enumerate(
        zip(_producer_widths(spec), _producer_widths(target), strict=True), 2
    ):
        if ours[:2] != theirs[:2]:
            raise NotRewirable(
                f"the branches that open its stage {number} make {ours[0]} and {ours[1]} channels, "
                f"theirs {theirs[0]} and {theirs[1]}, and no permutation of weights can change that"
            )


def _rewire_v2(arrays: Arrays, spec: V2Spec, target: V2Spec) -> Arrays:
    arrays = dict(arrays)
    arrival = np.arange(spec.stem_channels)
    for number, widths in enumerate(_producer_widths(spec), 2):
        stage = f"stage{number}"
        output, inputs = trace_stage(widths, spec.split)
        new_output, new_inputs = trace_stage(widths, target.split)
        old_channel = _match_routes(widths, inputs, new_inputs, stage)
        _permute_outputs(arrays, f"{stage}.0.branch1.0", f"{stage}.0.branch1.1", arrival)
        _permute_inputs(arrays, f"{stage}.0.branch1.2", arrival)
        _permute_inputs(arrays, f"{stage}.0.branch2.0", arrival)
        starts = np.cumsum([0, *widths])
        for producer, (start, end) in enumerate(pairwise(starts)):
            unit, pair = (
                (0, "branch1.2 branch1.3")
                if producer == 0
                else (producer - 1, "branch2.5 branch2.6")
            )
            conv, norm = (f"{stage}.{unit}.{part}" for part in pair.split())
            _permute_outputs(arrays, conv, norm, old_channel[start:end] - start)
        for unit, (old, new) in enumerate(zip(inputs, new_inputs, strict=True), 1):
            order = find_positions(old, old_channel[new])
            _permute_inputs(arrays, f"{stage}.{unit}.branch2.0", order)
        arrival = find_positions(output, old_channel[new_output])
    _permute_inputs(arrays, "conv5.0", arrival)
    return arrays


def _match_routes(
    widths: list[int], inputs: list[Order], new_inputs: list[Order], stage: str
) -> Order:
    """Return the old channel, of the same producer and consumer, for each new channel, ``(c,)``.

    Raises:
        NotRewirable: their numbers differ.
    """
    total = sum(widths)
    consumer, new_consumer = np.full(total, len(inputs)), np.full(total, len(inputs))
    for number, (old, new) in enumerate(zip(inputs, new_inputs, strict=True)):
        consumer[old], new_consumer[new] = number, number
    producer = np.repeat(np.arange(len(widths)), widths)
    route, new_route = np.lexsort((consumer, producer)), np.lexsort((new_consumer, producer))
    if not np.array_equal(consumer[route], new_consumer[new_route]):
        raise NotRewirable(
            f"in {stage} it sends different numbers of channels from unit to unit, and no "
            "permutation of weights can change that"
        )
    old_channel = np.empty(total, np.intp)
    old_channel[new_route] = route
    return old_channel


def _permute_outputs(arrays: Arrays, conv: str, norm: str, order: Order) -> None:
    """Permute the output channels of a convolution and its norm, in place."""
    for name in [n for n in arrays if n.startswith((f"{conv}.", f"{norm}."))]:
        arrays[name] = arrays[name][order]


def _permute_inputs(arrays: Arrays, conv: str, order: Order) -> None:
    """Permute the input channels of a 1x1 convolution, in place."""
    arrays[f"{conv}.weight"] = arrays[f"{conv}.weight"][:, order]


def _rewire_v1(arrays: Arrays, spec: V1Spec, target: V1Spec) -> Arrays:
    arrays = dict(arrays)
    for name in [n.removesuffix(".pw1.0.weight") for n in arrays if n.endswith(".pw1.0.weight")]:
        middle, groups = len(arrays[f"{name}.dw.0.weight"]), spec.groups
        channels, columns = _match_groups(middle, groups, spec.shuffle, target.shuffle)
        _permute_outputs(arrays, f"{name}.pw1.0", f"{name}.pw1.1", channels)
        _permute_outputs(arrays, f"{name}.dw.0", f"{name}.dw.1", channels)
        weight = arrays[f"{name}.pw2.0.weight"]
        arrays[f"{name}.pw2.0.weight"] = _per_group(weight, columns.reshape(groups, -1))
    return arrays


def _match_groups(middle: int, groups: int, shuffle: str, target: str) -> tuple[Order, Order]:
    """Match the channels that leave each group with those that arrive in each.

    Returns:
        The old channel for every new channel in the middle of a unit, and the old column of the
        same group for every position after the new shuffle; both ``(middle,)``.

    Raises:
        NotRewirable: different numbers of channels go from group to group.
    """
    size = middle // groups
    old, new = (
        interleave(np.arange(middle), groups if way == "standard" else size)
        for way in (shuffle, target)
    )
    arrives = np.arange(middle) // size  # the group of a position after the shuffle
    by_old, by_new = np.lexsort((arrives, old // size)), np.lexsort((arrives, new // size))
    if not np.array_equal(arrives[by_old], arrives[by_new]):
        raise NotRewirable(
            f"with {middle} channels in {groups} groups its shuffle sends other numbers of "
            "channels from group to group, and no permutation of weights can change that"
        )
    channels, columns = np.empty(middle, np.intp), np.empty(middle, np.intp)
    channels[new[by_new]] = old[by_old]
    columns[by_new] = by_old % size
    return channels, columns


def _per_group(weight: npt.NDArray[_Number], columns: Order) -> npt.NDArray[_Number]:
    """Permute the input channels of a grouped convolution, each group by its own order."""
    groups = len(columns)
    parts = np.split(weight, groups)
    return np.concatenate([p[:, order] for p, order in zip(parts, columns, strict=True)])
