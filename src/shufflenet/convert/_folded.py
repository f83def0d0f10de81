"""Weights of an ONNX file whose exporter folded batch norms into convolutions and renamed them.

Its convolutions come in the order in which the network computes them, each with a bias. Where their
shapes are, one after the other, those of one of our networks, they are given its names, and a norm
that adds the bias and changes nothing else. Whether that is right is found by running both.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shufflenet.convert._fit import shapes
from shufflenet.convert._layouts import LAYOUTS
from shufflenet.convert._read import Arrays
from shufflenet.zoo import NETWORKS

if TYPE_CHECKING:
    import onnx

__all__ = ["unfold"]

_EPS = 1e-5  # what batch norms add to variances


def unfold(model: "onnx.ModelProto", arrays: Arrays) -> Arrays:
    """Return a file's arrays by our names, or those given if its convolutions are none of ours.

    Args:
        model: The file.
        arrays: Its arrays by name.
    """
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    classifier = [node for node in model.graph.node if node.op_type == "Gemm"]
    inputs = [list(node.input) for node in (*convolutions, *classifier)]
    if len(classifier) != 1 or not all(len(i) == 3 and {*i[1:]} <= arrays.keys() for i in inputs):
        return arrays
    weights = [arrays[names[1]] for names in inputs]
    biases = [arrays[names[2]] for names in inputs]
    if not any(a.name == "transB" and a.i == 1 for a in classifier[0].attribute):
        weights[-1] = weights[-1].T
    torchvision = next(layout for layout in LAYOUTS if layout.name == "torchvision")
    for network in torchvision.networks:
        expected = {n: s for n, s in shapes(NETWORKS[network]).items() if len(s) == 4}
        if [weight.shape for weight in weights[:-1]] == list(expected.values()):
            return _named(list(expected), weights, biases)
    return arrays


def _named(
    names: list[str],
    weights: list[npt.NDArray[np.generic]],
    biases: list[npt.NDArray[np.generic]],
) -> Arrays:
    """Return the arrays of a network by the names of its convolutions, in their order."""
    arrays: Arrays = {"fc.weight": weights[-1], "fc.bias": biases[-1]}
    for name, weight, bias in zip(names, weights[:-1], biases[:-1], strict=True):
        layer, position = name.removesuffix(".weight").rsplit(".", 1)
        norm = f"{layer}.{int(position) + 1}"
        arrays |= {
            name: weight,
            f"{norm}.weight": np.ones_like(bias),
            f"{norm}.bias": bias,
            f"{norm}.running_mean": np.zeros_like(bias),
            f"{norm}.running_var": np.full_like(bias, 1 - _EPS),
        }
    return arrays
