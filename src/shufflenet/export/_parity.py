"""An ONNX file compared with the network that torch traced, at two sizes of images."""

import numpy as np
import torch

from shufflenet.errors import NetworkNotNumbers, ParityError
from shufflenet.export._source import Compute
from shufflenet.networks import ShuffleNet
from shufflenet.spec import Card

__all__ = ["check_parity"]


def check_parity(net: ShuffleNet, compute: Compute, card: Card, tolerance: float) -> None:
    """Compare the logits of a file with those of its network, at the card's size and an odd one.

    Args:
        net: The network, on the CPU, in float32 and evaluation mode.
        compute: Computes the file: images ``(n, channels, h, w)`` to logits ``(n, classes)``.
        card: The network's card.
        tolerance: The largest difference accepted, relative to the largest logit.

    Raises:
        NetworkNotNumbers: the network's own logits are infinite or NaN.
        ParityError: the difference is larger, or not a number.
    """
    (rows, columns), rng = card.preprocess.size_px, np.random.default_rng(0)
    differences, largest = [], []
    for n, height, width in ((1, rows, columns), (3, rows + 1, max(32, columns - 5))):
        shape = (n, net.spec.in_channels, height, width)
        images = rng.standard_normal(shape, dtype=np.float32)
        with torch.inference_mode():
            expected = net(torch.from_numpy(images)).numpy()
        if not np.isfinite(expected).all():
            raise NetworkNotNumbers(net.spec.name)
        differences.append(float(np.abs(compute(images) - expected).max()))
        largest.append(float(np.abs(expected).max()))
    difference, allowed = float(np.max(differences)), tolerance * max(1.0, *largest)
    if not difference <= allowed:  # so written, NaN is refused too
        raise ParityError("The exported file", difference, allowed)
