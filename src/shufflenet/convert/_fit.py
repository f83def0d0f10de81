"""Fitting arrays to networks by a layout's names, and converting them in both directions."""

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

__all__ = ["best_fit", "from_layout", "layouts_of", "max_abs_difference", "shapes", "to_layout"]

_FLOATS = (np.float16, np.float32, np.float64)


@cache
def shapes(spec: NetworkSpec) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every array of a network, in order."""
    with torch.device("meta"):
        state = build(spec).state_dict()
    return {
        name: tuple(value.shape)
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }


def layouts_of(arrays: Arrays) -> tuple[Layout, ...]:
    """Return the layouts that a name in a file is unique to: one, or several of one project."""
    return tuple(
        layout for layout in LAYOUTS if any(re.fullmatch(layout.signature, name) for name in arrays)
    )


def best_fit(
    arrays: Arrays, layout: Layout, names: tuple[str, ...]
) -> tuple[NetworkSpec, list[str]]:
    """Find the network that arrays of any shapes fit best.

    Args:
        arrays: The arrays by the layout's names.
        layout: Their layout.
        names: The names of the candidate networks.

    Returns:
        The network, with as many classes and input channels as the arrays have, and its
        differences from the arrays: none, or as few as possible.
    """
    fits = []
    for name in names:
        spec = _adapt(NETWORKS[name], arrays, layout)
        fits.append((spec, differences(arrays, layout, spec)))
        if not fits[-1][1]:
            break
    return min(fits, key=lambda fit: len(fit[1]))


def _adapt(spec: NetworkSpec, arrays: Arrays, layout: Layout) -> NetworkSpec:
    classifier = arrays.get(layout.naming("fc.weight", spec))
    stem = arrays.get(layout.naming("conv1.0.weight", spec))
    if classifier is not None and classifier.ndim == 2:
        classes = classifier.shape[1 if layout.transposed_classifier else 0]
        spec = replace(spec, classes=max(1, classes))
    if stem is not None and stem.ndim == 4:
        spec = replace(spec, in_channels=max(1, stem.shape[1]))
    return replace(spec, norm_eps=layout.norm_eps) if isinstance(spec, V2Spec) else spec


def differences(arrays: Arrays, layout: Layout, spec: NetworkSpec) -> list[str]:
    """List how arrays of any shapes, by a layout's names, differ from the weights of a network."""
    expected = {
        layout.naming(name, spec): _foreign_shape(name, shape, layout)
        for name, shape in shapes(spec).items()
    }
    foldable = {bias for bias, _ in layout.biases}
    return [
        *(f"{name} is missing" for name in expected if name not in arrays),
        *(
            f"{name} is not of this network"
            for name in arrays
            if name not in expected and name not in foldable and not _unused(name, layout)
        ),
        *(
            f"{name} has shape {arrays[name].shape}, not {shape}"
            for name, shape in expected.items()
            if name in arrays and arrays[name].shape != shape
        ),
        *(
            f"{name} holds {arrays[name].dtype} numbers"
            for name in expected
            if name in arrays and arrays[name].dtype not in _FLOATS
        ),
    ]


def _unused(name: str, layout: Layout) -> bool:
    return name.endswith("num_batches_tracked") or bool(
        layout.unused and re.fullmatch(layout.unused, name)
    )


def _foreign_shape(name: str, shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    if name == "fc.weight" and layout.transposed_classifier:
        return shape[::-1]
    return shape[:2] if _is_linear(name, layout) else shape


def _is_linear(name: str, layout: Layout) -> bool:
    """Return whether the layout has a linear layer in place of our 1x1 convolution."""
    return layout.linear_squeeze and ".squeeze." in name and name.endswith(".weight")


def from_layout(arrays: Arrays, layout: Layout, spec: NetworkSpec) -> Arrays:
    """Convert arrays to our names, shapes and channel order.

    The arrays must be without ``differences``; the result has the names and shapes of ``shapes``.
    """
    ours = {}
    for name, shape in shapes(spec).items():
        array = arrays[layout.naming(name, spec)]
        if name == "fc.weight" and layout.transposed_classifier:
            array = array.T
        ours[name] = np.array(array.reshape(shape), order="C")  # not a view of a whole file
    for bias, mean in layout.biases:
        if bias in arrays:  # (x + bias) - mean = x - (mean - bias)
            ours[mean] = _difference(ours[mean], arrays[bias])
    if layout.shuffle_before_depthwise and isinstance(spec, V1Spec):
        _reorder_depthwise(ours, spec, to_ours=True)
    return ours


def to_layout(arrays: Arrays, layout: Layout, spec: NetworkSpec) -> Arrays:
    """Convert arrays of the shapes of ``shapes`` to a layout's names, shapes and channel order.

    This inverts ``from_layout``, except that unused arrays are not restored, and that a folded bias
    is written as the rounding error of its norm's running mean.
    """
    ours = dict(arrays)
    if layout.shuffle_before_depthwise and isinstance(spec, V1Spec):
        _reorder_depthwise(ours, spec, to_ours=False)
    theirs: Arrays = {}
    for name in shapes(spec):
        array = ours[name]
        if name == "fc.weight" and layout.transposed_classifier:
            array = array.T
        if _is_linear(name, layout):
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
    """Return a mean rounded to the weights' type, and a bias that corrects the rounding error."""
    narrow = folded.astype(dtype)
    return {mean: narrow, bias: np.subtract(narrow, folded, dtype=np.float64).astype(dtype)}


def _difference(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Subtract in float64, and return the numbers' own type only if that is exact."""
    difference = np.subtract(a, b, dtype=np.float64)
    narrow: npt.NDArray[np.generic] = difference.astype(a.dtype)
    return narrow if np.array_equal(narrow, difference) else difference


def _reorder_depthwise(arrays: Arrays, spec: V1Spec, *, to_ours: bool) -> None:
    """Reorder the channels of depthwise convolutions, in place, for another place of the shuffle.

    With ``y[p] = x[order[p]]`` the shuffle, channel ``p`` after it is channel ``order[p]`` before
    it. Ours is after the depthwise convolutions, theirs before them.
    """
    for name in [n for n in arrays if ".dw." in n]:
        order = interleave(np.arange(len(arrays[name])), spec.groups)
        arrays[name] = arrays[name][np.argsort(order) if to_ours else order]


def max_abs_difference(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> float:
    """Return the max abs difference of two arrays of the same shape, a scalar."""
    return float(np.abs(np.subtract(a, b, dtype=np.float64)).max(initial=0.0))
