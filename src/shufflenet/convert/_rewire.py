"""The same function with channels in another order: where one shuffle can stand for another.

The two ways of V2 to split, and the two of V1 to shuffle, differ in which channel goes where. If as
many channels go from every producer to every consumer, weights can be permuted so that the other
way computes the same; if not, no order of weights does it, and the reason is told.
"""

from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.channels import Order, find_positions, interleave, trace_stage
from shufflenet.convert._read import Arrays
from shufflenet.spec import NetworkSpec, V1Spec, V2Spec, differing_fields

__all__ = ["Impossible", "rewire"]

_Number = TypeVar("_Number", bound=np.generic)


class Impossible(Exception):
    """No order of weights makes one network compute what the other does."""


def rewire(arrays: Arrays, spec: NetworkSpec, target: NetworkSpec) -> Arrays:
    """Give the weights with which ``target`` computes what ``spec`` computes with ``arrays``.

    Raises:
        Impossible: there are none; its text says why, as a clause.
    """
    arrays = _with_bias_as(target, arrays)
    if isinstance(spec, V2Spec) and isinstance(target, V2Spec):
        _require_same_units(spec, target)
        arrays = _rewire_v2(arrays, spec, target) if spec.split != target.split else arrays
        spec = replace(spec, split=target.split, projection=target.projection)
    if isinstance(spec, V1Spec) and isinstance(target, V1Spec):
        arrays = _rewire_v1(arrays, spec, target) if spec.shuffle != target.shuffle else arrays
        spec = replace(spec, shuffle=target.shuffle)
    _require_same(spec, target)
    return arrays


_FREE = {"name", "dropout", "classifier_bias"}  # differences that no weight notices


def _require_same(spec: NetworkSpec, target: NetworkSpec) -> None:
    if type(spec) is not type(target):
        raise Impossible("it is a network of another generation")
    for field in sorted(differing_fields(spec, target) - _FREE):
        ours, theirs = getattr(spec, field), getattr(target, field)
        raise Impossible(f"its {field.replace('_', ' ')} would have to be {theirs}, not {ours}")


def _with_bias_as(target: NetworkSpec, arrays: Arrays) -> Arrays:
    weight, bias = arrays["fc.weight"], arrays.get("fc.bias")
    if target.classifier_bias and bias is None:
        return arrays | {"fc.bias": np.zeros(len(weight), weight.dtype)}
    if not target.classifier_bias and bias is not None:
        if bias.any():
            raise Impossible("its classifier has a bias, and theirs has none")
        return {name: array for name, array in arrays.items() if name != "fc.bias"}
    return arrays


def _made(spec: V2Spec) -> list[list[int]]:
    """Say for every stage how many channels each of its producers makes."""
    inputs = (spec.stem_channels, *(stage.channels for stage in spec.stages))
    made = []
    for in_channels, stage in zip(inputs, spec.stages, strict=False):
        projected = spec.projected(in_channels, stage.channels)
        keep = [stage.channels // 2] * (stage.repeats - 1)
        made.append([projected, stage.channels - projected, *keep])
    return made


def _require_same_units(spec: V2Spec, target: V2Spec) -> None:
    if [s.channels for s in spec.stages] != [s.channels for s in target.stages]:
        return  # told by _require_same
    for number, (ours, theirs) in enumerate(zip(_made(spec), _made(target), strict=True), 2):
        if ours[:2] != theirs[:2]:
            raise Impossible(
                f"the branches that open its stage {number} make {ours[0]} and {ours[1]} channels, "
                f"theirs {theirs[0]} and {theirs[1]}, and no order of weights evens that out"
            )


def _rewire_v2(arrays: Arrays, spec: V2Spec, target: V2Spec) -> Arrays:
    arrays = dict(arrays)
    arrival = np.arange(spec.stem_channels)
    for number, made in enumerate(_made(spec), 2):
        stage = f"stage{number}"
        out, reads = trace_stage(made, spec.split)
        new_out, new_reads = trace_stage(made, target.split)
        old_name = _matched(made, reads, new_reads, stage)
        _reorder(arrays, f"{stage}.0.branch1.0", f"{stage}.0.branch1.1", arrival)
        _reorder_reads(arrays, f"{stage}.0.branch1.2", arrival)
        _reorder_reads(arrays, f"{stage}.0.branch2.0", arrival)
        starts = np.cumsum([0, *made])
        for producer, (start, end) in enumerate(pairwise(starts)):
            unit, pair = (
                (0, "branch1.2 branch1.3")
                if producer == 0
                else (producer - 1, "branch2.5 branch2.6")
            )
            conv, norm = (f"{stage}.{unit}.{part}" for part in pair.split())
            _reorder(arrays, conv, norm, old_name[start:end] - start)
        for unit, (read, new_read) in enumerate(zip(reads, new_reads, strict=True), 1):
            order = find_positions(read, old_name[new_read])
            _reorder_reads(arrays, f"{stage}.{unit}.branch2.0", order)
        arrival = find_positions(out, old_name[new_out])
    _reorder_reads(arrays, "conv5.0", arrival)
    return arrays


def _matched(made: list[int], reads: list[Order], new_reads: list[Order], stage: str) -> Order:
    """Say which old channel, of the same producer and consumer, each new channel is to be.

    Raises:
        Impossible: there are not as many.
    """
    total = sum(made)
    consumer, new_consumer = np.full(total, len(reads)), np.full(total, len(reads))
    for number, (read, new_read) in enumerate(zip(reads, new_reads, strict=True)):
        consumer[read], new_consumer[new_read] = number, number
    producer = np.repeat(np.arange(len(made)), made)
    route, new_route = np.lexsort((consumer, producer)), np.lexsort((new_consumer, producer))
    if not np.array_equal(consumer[route], new_consumer[new_route]):
        raise Impossible(
            f"in {stage} it sends other numbers of channels from unit to unit, and no order of "
            "weights evens that out"
        )
    old_name = np.empty(total, np.intp)
    old_name[new_route] = route
    return old_name


def _reorder(arrays: Arrays, conv: str, norm: str, order: Order) -> None:
    """Put the output channels of a convolution, and its norm, in another order."""
    for name in [n for n in arrays if n.startswith((f"{conv}.", f"{norm}."))]:
        arrays[name] = arrays[name][order]


def _reorder_reads(arrays: Arrays, conv: str, order: Order) -> None:
    """Put the input channels of a 1x1 convolution in another order."""
    arrays[f"{conv}.weight"] = arrays[f"{conv}.weight"][:, order]


def _rewire_v1(arrays: Arrays, spec: V1Spec, target: V1Spec) -> Arrays:
    arrays = dict(arrays)
    for name in [n.removesuffix(".pw1.0.weight") for n in arrays if n.endswith(".pw1.0.weight")]:
        middle, groups = len(arrays[f"{name}.dw.0.weight"]), spec.groups
        channels, columns = _matched_v1(middle, groups, spec.shuffle, target.shuffle)
        _reorder(arrays, f"{name}.pw1.0", f"{name}.pw1.1", channels)
        _reorder(arrays, f"{name}.dw.0", f"{name}.dw.1", channels)
        weight = arrays[f"{name}.pw2.0.weight"]
        arrays[f"{name}.pw2.0.weight"] = _per_group(weight, columns.reshape(groups, -1))
    return arrays


def _matched_v1(middle: int, groups: int, shuffle: str, target: str) -> tuple[Order, Order]:
    """Match what leaves each group and what arrives in each.

    Returns:
        The old channel for every new channel of a unit's middle, and, for every place after the
        new shuffle, the old column of the same group.

    Raises:
        Impossible: other numbers of channels go from group to group.
    """
    size = middle // groups
    old, new = (
        interleave(np.arange(middle), groups if way == "standard" else size)
        for way in (shuffle, target)
    )
    arrives = np.arange(middle) // size  # the group of a place after the shuffle
    by_old, by_new = np.lexsort((arrives, old // size)), np.lexsort((arrives, new // size))
    if not np.array_equal(arrives[by_old], arrives[by_new]):
        raise Impossible(
            f"with {middle} channels in {groups} groups its shuffle sends other numbers of "
            "channels from group to group, and no order of weights evens that out"
        )
    channels, columns = np.empty(middle, np.intp), np.empty(middle, np.intp)
    channels[new[by_new]] = old[by_old]
    columns[by_new] = by_old % size
    return channels, columns


def _per_group(weight: npt.NDArray[_Number], columns: Order) -> npt.NDArray[_Number]:
    """Reorder the input channels of a grouped convolution, each group by its own order."""
    groups = len(columns)
    parts = np.split(weight, groups)
    return np.concatenate([p[:, order] for p, order in zip(parts, columns, strict=True)])
