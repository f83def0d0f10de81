"""Weights rounded to int8 with the least change of what the layers compute."""

import contextlib

import numpy as np

from shufflenet.graph import WeightedLayer
from shufflenet.int8 import Int8Weights
from shufflenet.quantize._float_graph import FloatGraph, Floats
from shufflenet.quantize._observe import Moments
from shufflenet.quantize._options import WeightRange

__all__ = ["round_weights"]

_LARGEST = 127
_PAIR = 128  # 255 * 128 = 32,640, the last multiple below 2**15; ``codegen`` relies on it
_DAMPING = 0.01  # times the mean variance, so that a covariance of few images has an inverse
_STRONGER = (1, 10, 100, 1000)  # times the damping, if there is no inverse
_FRACTIONS = np.linspace(0.6, 1.0, 17)  # of the scale that clips nothing; these are tried


def round_weights(
    graph: FloatGraph, moments: dict[str, Moments], weight_range: WeightRange
) -> tuple[FloatGraph, dict[str, Int8Weights]]:
    """Round the weights of every layer, ``(out, in / groups, kh, kw)``.

    ``portable`` weights are computed exactly by every processor. One with AVX2 or SSSE3 but without
    VNNI multiplies bytes of activations, 0 to 255, by bytes of weights, adds the products of two
    *neighbors* and saturates at 2**15. Therefore neighbors of the same sign sum to at most 128 in
    absolute value. In 1x1 kernels the input channels 2i and 2i + 1 are neighbors. In larger kernels
    the neighbors depend on the library, so that no weight exceeds 64. Weights of depthwise kernels
    are multiplied one by one and have no bound. ``full`` weights have no bounds.

    Args:
        graph: The network.
        moments: Of the inputs of each layer, by the name of its weights.
        weight_range: ``portable`` or ``full``.

    Returns:
        The graph with the rounded weights, and with biases that compensate the mean of the change
        (Nagel et al. 2019, section 4.2); and the int8 weights by name.
    """
    weights: dict[str, Floats] = {}
    int8_weights = {}
    for layer in graph.layers:
        weight, inputs = graph.weights[layer.weight], moments[layer.weight]
        rows = weight.reshape(layer.groups, len(weight) // layer.groups, -1)
        largest, pairs = _bounds(layer, weight.shape, weight_range)
        codes, scale = _round_rows(rows, inputs.covariance, largest=largest, pairs=pairs)
        rounded = codes * scale[..., None]
        lost = ((rows - rounded) @ inputs.mean[..., None])[..., 0]
        weights[layer.weight] = rounded.reshape(weight.shape)
        weights[layer.bias] = graph.weights[layer.bias] + lost.ravel()
        int8_weights[layer.weight] = Int8Weights(
            codes.reshape(weight.shape).astype(np.int8), scale.ravel().astype(np.float32)
        )
    return graph.with_weights(weights), int8_weights


def _bounds(
    layer: WeightedLayer, shape: tuple[int, ...], weight_range: WeightRange
) -> tuple[int, bool]:
    """Return the largest weight of a layer, and whether sums of neighbors are bounded too."""
    is_depthwise = layer.groups > 1 and shape[1] == 1
    if weight_range == "full" or is_depthwise:
        return _LARGEST, False
    is_pointwise = shape[2:] == (1, 1)
    return (_LARGEST, True) if is_pointwise else (_PAIR // 2, False)


def _round_rows(
    rows: Floats, covariance: Floats, *, largest: int, pairs: bool
) -> tuple[Floats, Floats]:
    """Round rows ``(groups, out, inputs)`` input by input; later inputs compensate the errors.

    With the covariance C of the inputs, ``(groups, inputs, inputs)``, the cost of an error e is
    ``e @ C @ e``. The error of input j, divided by ``U[j, j]``, times ``U[j, j + 1:]`` is
    subtracted from the later weights, where U is the upper Cholesky factor of the inverse of C.

    Source: Frantar et al. 2023, GPTQ, algorithm 1.

    Returns:
        Integers from ``-largest`` to ``largest``, ``(groups, out, inputs)``, and scales,
        ``(groups, out)``.
    """
    variance = np.einsum("gii->gi", covariance)
    damping = _DAMPING * variance.mean(1) + 1e-12
    upper = _inverse_factor(covariance, damping)
    scale = _scales(rows, variance + damping[:, None], largest, pairs)
    remaining, codes = rows.copy(), np.zeros_like(rows)
    for j in range(rows.shape[2]):
        code = np.clip(np.rint(remaining[..., j] / scale), -largest, largest)
        if pairs and j % 2:
            code = _bound_pair(codes[..., j - 1], code)
        codes[..., j] = code
        error = (remaining[..., j] - code * scale) / upper[:, None, j, j]
        remaining[..., j + 1 :] -= error[..., None] * upper[:, None, j, j + 1 :]
    return codes, scale


def _inverse_factor(covariance: Floats, damping: Floats) -> Floats:
    """Return the upper Cholesky factor of the inverse of a damped covariance, of the same shape.

    Where a channel is constant and large, rounding may leave the covariance of the others without
    an inverse of that kind; it is then damped more.

    Args:
        covariance: ``(groups, inputs, inputs)``.
        damping: ``(groups,)``, above 0, added on the diagonal.
    """
    diagonal = np.eye(covariance.shape[1])
    for factor in _STRONGER:
        damped = covariance + factor * damping[:, None, None] * diagonal
        with contextlib.suppress(np.linalg.LinAlgError):
            return np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    return np.broadcast_to(diagonal, covariance.shape)  # every input is rounded for itself


def _bound_pair(left: Floats, code: Floats) -> Floats:
    """Clip codes so that each and its left neighbor, if of the same sign, sum to at most 128.

    >>> _bound_pair(np.array([100.0, -100.0, 100.0]), np.array([90.0, -90.0, -90.0]))
    array([ 28., -28., -90.])
    """
    bounded: Floats = np.where(
        left > 0, np.minimum(code, _PAIR - left), np.maximum(code, -_PAIR - left)
    )
    return bounded


def _scales(rows: Floats, variance: Floats, largest: int, pairs: bool) -> Floats:
    """Return the scale of each row for which plain rounding costs least, ``(groups, out)``."""
    reach = np.maximum(np.abs(rows).max(2), 1e-12)
    if pairs:
        pair_sums = np.abs(
            rows[..., : rows.shape[2] // 2 * 2].reshape(*rows.shape[:2], -1, 2).sum(3)
        )
        reach = np.maximum(reach, pair_sums.max(2, initial=0) * largest / _PAIR)
    least = np.full(reach.shape, np.inf)
    best: Floats = reach / largest
    for fraction in _FRACTIONS:
        scale = fraction * reach / largest
        codes = np.clip(np.rint(rows / scale[..., None]), -largest, largest)
        if pairs:
            odd = codes[..., 1::2]
            odd[:] = _bound_pair(codes[..., : 2 * odd.shape[2] : 2], odd)
        error = ((rows - codes * scale[..., None]) ** 2 * variance[:, None]).sum(2)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best
