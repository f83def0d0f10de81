"""Weights rounded to int8, so that what layers compute changes least."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from shufflenet.quantize._graph import Floats, Graph
from shufflenet.quantize._observe import Moments

__all__ = ["Rounded", "WeightRange", "rounded"]

WeightRange = Literal["portable", "full"]
_LARGEST = 127
_PAIR = 128  # 255 * 128 = 32,640, the last multiple below 2**15; ``native`` counts on it
_DAMPING = 0.01  # of the mean variance, so that a covariance of few images can be inverted
_SMALLER = np.linspace(0.6, 1.0, 17)  # scales tried, as parts of the one that cuts nothing off


@dataclass(frozen=True, slots=True)
class Rounded:
    """Weights of a layer in int8: ``codes * scale``, one scale an output channel."""

    codes: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]


def rounded(
    graph: Graph, moments: dict[str, Moments], weight_range: WeightRange
) -> tuple[Graph, dict[str, Rounded]]:
    """Round the weights of every layer.

    ``portable`` is exact on every processor. One with AVX2 or SSSE3 but without VNNI multiplies
    bytes of activations, 0 to 255, by bytes of weights, adds *neighbouring* products and saturates
    at 2**15; so neighbours of the same sign sum to at most 128 in absolute value. In 1x1 kernels
    neighbours are the input channels 2i and 2i + 1; in larger ones they depend on the library, so
    no weight exceeds 64. Depthwise kernels are multiplied one by one. ``full`` has no such bounds.

    Returns:
        The graph with the weights that int8 stands for and biases that make up for the mean of
        what rounding changed (Nagel et al. 2019, section 4.2), and the int8 of each layer.
    """
    weights, found = {}, {}
    for layer in graph.layers:
        weight, seen = graph.weights[layer.weight], moments[layer.weight]
        rows = weight.reshape(layer.groups, len(weight) // layer.groups, -1)
        depthwise = layer.groups > 1 and weight.shape[1] == 1
        bounded = weight_range == "portable" and not depthwise
        codes, scale = _round_rows(
            rows,
            seen.covariance,
            largest=64 if bounded and weight.shape[2:] != (1, 1) else _LARGEST,
            pairs=bounded and weight.shape[2:] == (1, 1),
        )
        stored = codes * scale[..., None]
        weights[layer.weight] = stored.reshape(weight.shape)
        lost = ((rows - stored) @ seen.mean[..., None])[..., 0]
        weights[layer.bias] = graph.weights[layer.bias] + lost.ravel()
        found[layer.weight] = Rounded(
            codes.reshape(weight.shape).astype(np.int8), scale.ravel().astype(np.float32)
        )
    return graph.with_weights(weights), found


def _round_rows(
    rows: Floats, covariance: Floats, *, largest: int, pairs: bool
) -> tuple[Floats, Floats]:
    """Round ``(groups, out, inputs)`` one input after the other, later ones making up for errors.

    With ``covariance`` C of the inputs, ``(groups, inputs, inputs)``, what matters of an error e
    is ``e @ C @ e``. The error of input j, divided by ``U[j, j]``, times ``U[j, j + 1:]`` is taken
    off the later weights, where U is the upper Cholesky factor of the inverse of C.

    Source: Frantar et al. 2023, GPTQ, algorithm 1.

    Returns:
        Whole numbers, ``(groups, out, inputs)``, and scales, ``(groups, out)``.
    """
    variance = np.einsum("gii->gi", covariance)
    damping = _DAMPING * variance.mean(1) + 1e-12
    damped = covariance + damping[:, None, None] * np.eye(covariance.shape[1])
    upper = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    scale = _scales(rows, variance + damping[:, None], largest, pairs)
    rest, codes = rows.copy(), np.zeros_like(rows)
    for j in range(rows.shape[2]):
        code = np.clip(np.rint(rest[..., j] / scale), -largest, largest)
        if pairs and j % 2:
            code = _beside(codes[..., j - 1], code)
        codes[..., j] = code
        error = (rest[..., j] - code * scale) / upper[:, None, j, j]
        rest[..., j + 1 :] -= error[..., None] * upper[:, None, j, j + 1 :]
    return codes, scale


def _beside(left: Floats, code: Floats) -> Floats:
    """Bound the codes whose left neighbours are ``left``.

    >>> _beside(np.array([100.0, -100.0, 100.0]), np.array([90.0, -90.0, -90.0]))
    array([ 28., -28., -90.])
    """
    bounded: Floats = np.where(
        left > 0, np.minimum(code, _PAIR - left), np.maximum(code, -_PAIR - left)
    )
    return bounded


def _scales(rows: Floats, variance: Floats, largest: int, pairs: bool) -> Floats:
    """Choose for each row the scale with which plain rounding changes its output least."""
    reach = np.maximum(np.abs(rows).max(2), 1e-12)
    if pairs:
        together = np.abs(
            rows[..., : rows.shape[2] // 2 * 2].reshape(*rows.shape[:2], -1, 2).sum(3)
        )
        reach = np.maximum(reach, together.max(2, initial=0) * largest / _PAIR)
    best = np.full(reach.shape, np.inf)
    chosen: Floats = reach / largest
    for part in _SMALLER:
        scale = part * reach / largest
        codes = np.clip(np.rint(rows / scale[..., None]), -largest, largest)
        if pairs:
            odd = codes[..., 1::2]
            odd[:] = _beside(codes[..., : 2 * odd.shape[2] : 2], odd)
        error = ((rows - codes * scale[..., None]) ** 2 * variance[:, None]).sum(2)
        chosen, best = np.where(error < best, scale, chosen), np.minimum(error, best)
    return chosen
