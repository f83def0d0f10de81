"""Foreign arrays to ours and back, by a layout's names, each whole or not at all."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from shufflenet.channels import interleave
from shufflenet.convert._layouts import LAYOUTS, Layout
from shufflenet.convert._read import Arrays
from shufflenet.networks import build
from shufflenet.spec import NetworkSpec, V1Spec, V2Spec
from shufflenet.zoo import NETWORKS

__all__ = ["apart", "fitting", "from_layout", "recognised", "to_layout"]

_FLOATS = (np.float16, np.float32, np.float64)


@cache
def shapes(spec: NetworkSpec) -> dict[str, tuple[int, ...]]:
    """Give the name and shape of every array of a network, in order."""
    with torch.device("meta"):
        state = build(spec).state_dict()
    return {
        name: tuple(value.shape)
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }


def recognised(arrays: Arrays) -> tuple[Layout, ...]:
    """Find the layouts that a name in a file betrays: one, or several of one project."""
    return tuple(
        layout for layout in LAYOUTS if any(re.fullmatch(layout.signature, name) for name in arrays)
    )


def fitting(
    arrays: Arrays, layout: Layout, names: tuple[str, ...]
) -> tuple[NetworkSpec, list[str]]:
    """Find the network, of these names, that the arrays are complete weights of.

    Returns:
        The network with as many classes and input channels as the arrays have, and in what they
        differ from it: nothing, or the least of all that were asked for.
    """
    tried = []
    for name in names:
        spec = _adapted(NETWORKS[name], arrays, layout)
        tried.append((spec, differences(arrays, layout, spec)))
        if not tried[-1][1]:
            break
    return min(tried, key=lambda each: len(each[1]))


def _adapted(spec: NetworkSpec, arrays: Arrays, layout: Layout) -> NetworkSpec:
    classifier = arrays.get(layout.naming("fc.weight", spec))
    stem = arrays.get(layout.naming("conv1.0.weight", spec))
    if classifier is not None and classifier.ndim == 2:
        classes = classifier.shape[1 if layout.transposed_classifier else 0]
        spec = replace(spec, classes=max(1, classes))
    if stem is not None and stem.ndim == 4:
        spec = replace(spec, in_channels=max(1, stem.shape[1]))
    return replace(spec, norm_eps=layout.norm_eps) if isinstance(spec, V2Spec) else spec


def differences(arrays: Arrays, layout: Layout, spec: NetworkSpec) -> list[str]:
    """Say in what arrays, named as a layout names them, are not the weights of a network."""
    wanted = {
        layout.naming(name, spec): _their_shape(name, shape, layout)
        for name, shape in shapes(spec).items()
    }
    foldable = {bias for bias, _ in layout.biases}
    return [
        *(f"{name} is missing" for name in wanted if name not in arrays),
        *(
            f"{name} is not of this network"
            for name in arrays
            if name not in wanted and name not in foldable and not _unused(name, layout)
        ),
        *(
            f"{name} has shape {arrays[name].shape}, not {shape}"
            for name, shape in wanted.items()
            if name in arrays and arrays[name].shape != shape
        ),
        *(
            f"{name} holds {arrays[name].dtype} numbers"
            for name in wanted
            if name in arrays and arrays[name].dtype not in _FLOATS
        ),
    ]


def _unused(name: str, layout: Layout) -> bool:
    return name.endswith("num_batches_tracked") or bool(
        layout.unused and re.fullmatch(layout.unused, name)
    )


def _their_shape(name: str, shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    if name == "fc.weight" and layout.transposed_classifier:
        return shape[::-1]
    return shape[:2] if _is_linear_there(name, layout) else shape


def _is_linear_there(name: str, layout: Layout) -> bool:
    """Whether what is a 1x1 convolution here is a linear layer there."""
    return layout.linear_squeeze and ".squeeze." in name and name.endswith(".weight")


def from_layout(arrays: Arrays, layout: Layout, spec: NetworkSpec) -> Arrays:
    """Name, shape and order arrays as our network does; ``differences`` must have found none."""
    ours = {}
    for name, shape in shapes(spec).items():
        array = arrays[layout.naming(name, spec)]
        if name == "fc.weight" and layout.transposed_classifier:
            array = array.T
        ours[name] = np.ascontiguousarray(array.reshape(shape))
    for bias, mean in layout.biases:
        if bias in arrays:  # (x + bias) - mean = x - (mean - bias)
            ours[mean] = _difference(ours[mean], arrays[bias])
    if layout.depthwise_before_shuffle and isinstance(spec, V1Spec):
        _move_depthwise(ours, spec, behind=True)
    return ours


def to_layout(arrays: Arrays, layout: Layout, spec: NetworkSpec) -> Arrays:
    """Undo ``from_layout``; of a folded bias its sum with the mean, of unused arrays nothing."""
    ours = dict(arrays)
    if layout.depthwise_before_shuffle and isinstance(spec, V1Spec):
        _move_depthwise(ours, spec, behind=False)
    theirs: Arrays = {}
    for name in shapes(spec):
        array = ours[name]
        if name == "fc.weight" and layout.transposed_classifier:
            array = array.T
        if _is_linear_there(name, layout):
            array = array.reshape(array.shape[:2])
        theirs[layout.naming(name, spec)] = np.ascontiguousarray(array)
        if layout.counts_batches and name.endswith("running_var"):
            counter = layout.naming(name, spec).replace("running_var", "num_batches_tracked")
            theirs[counter] = np.zeros((), np.int64)
    for bias, mean in layout.biases:
        theirs |= _unfolded(ours[mean], bias, layout.naming(mean, spec), ours["fc.weight"].dtype)
    return theirs


def _unfolded(
    folded: npt.NDArray[np.generic], bias: str, mean: str, dtype: npt.DTypeLike
) -> Arrays:
    """Give a mean that their code can load beside its weights, and as a bias what rounding left."""
    narrow = folded.astype(dtype)
    return {mean: narrow, bias: np.subtract(narrow, folded, dtype=np.float64).astype(dtype)}


def _difference(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Subtract in float64, and keep it where the numbers' own type would round."""
    difference = np.subtract(a, b, dtype=np.float64)
    narrow: npt.NDArray[np.generic] = difference.astype(a.dtype)
    return narrow if np.array_equal(narrow, difference) else difference


def _move_depthwise(arrays: Arrays, spec: V1Spec, *, behind: bool) -> None:
    """Let depthwise convolutions stand before the shuffle instead of behind it, or back.

    With ``y[p] = x[order[p]]`` the shuffle, row ``p`` behind it is row ``order[p]`` before it.
    """
    for name in [n for n in arrays if ".dw." in n]:
        order = interleave(np.arange(len(arrays[name])), spec.groups)
        arrays[name] = arrays[name][np.argsort(order) if behind else order]


def apart(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> float:
    """Give the greatest difference between two arrays."""
    return float(np.abs(np.subtract(a, b, dtype=np.float64)).max(initial=0.0))
