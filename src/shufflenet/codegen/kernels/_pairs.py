"""Which int8 products can be added in 16 bits without overflow, as AVX2 does."""

import numpy as np
import numpy.typing as npt

from shufflenet.codegen.kernels._word_steps import word_steps
from shufflenet.graph import Convolution, Linear, Network, Weights

__all__ = ["all_fit_pairs", "fits_pairs", "least_weight", "pair_steps"]

# Neighboring weights of one sign may sum to so much: 255 * 128 is the last multiple below 2**15.
_MOST = 128


def fits_pairs(weight: Weights) -> bool:
    """Return whether products with ``(out, in)`` weights can be added by pairs in 16 bits."""
    return bool(_reach(word_steps(weight.T, runs=1)).max() <= _MOST)


def all_fit_pairs(network: Network) -> bool:
    """Return whether the int8 weights of all layers fit; depthwise ones are added in 32 bits."""
    products = [
        layer
        for layer in (*network.layers, network.classifier)
        if isinstance(layer, Linear) or (isinstance(layer, Convolution) and not layer.depthwise)
    ]
    return all(fits_pairs(_neighbors(each)) for each in products if each.weight.dtype == np.int8)


def least_weight(network: Network) -> int:
    """Return the least int8 weight of a network, 0 if it has none."""
    layers = (*network.layers, network.classifier)
    weights = [each.weight for each in layers if isinstance(each, Convolution | Linear)]
    return min((int(each.min()) for each in weights if each.dtype == np.int8), default=0)


def pair_steps(steps: npt.NDArray[np.int8]) -> list[tuple[int, int]]:
    """Choose pairs of steps, ``(steps, out, 4)``, whose products can be added in 16 bits.

    Those steps choose first that fit few others.
    """
    reach = _reach(steps)
    match: npt.NDArray[np.bool_] = np.all(reach[:, None] <= _MOST - reach, axis=2)
    np.fill_diagonal(match, val=False)
    order = np.argsort(match.sum(1), kind="stable")
    # A row as an integer: its lowest bit is the match that fits the fewest.
    packed = np.packbits(match[order][:, order], axis=1, bitorder="little")
    rows = [int.from_bytes(row.tobytes(), "little") for row in packed]
    free, pairs = (1 << len(rows)) - 1, []
    for step, row in enumerate(rows):
        matches = row & free
        if free >> step & 1 and matches:
            lowest = matches & -matches
            free &= ~(lowest | 1 << step)
            pairs.append((int(order[step]), int(order[lowest.bit_length() - 1])))
    return pairs


def _neighbors(layer: Convolution | Linear) -> Weights:
    """Return a layer's weights as rows that are read in a run: kernel rows, or all inputs."""
    length = layer.weight.shape[-1] if layer.weight.ndim == 4 else 1
    return layer.weight.reshape(-1, length if length > 1 else layer.weight[0].size)


def _reach(steps: npt.NDArray[np.int8]) -> npt.NDArray[np.int16]:
    """Return the sums of neighbors' positive and of their negative weights, ``(steps, sums)``."""
    pairs = steps.reshape(*steps.shape[:2], -1, 2).astype(np.int16)
    sums = np.stack([pairs.clip(0).sum(3), -pairs.clip(None, 0).sum(3)])
    return sums.swapaxes(0, 1).reshape(len(steps), -1).astype(np.int16)
