"""An ONNX file compared with the network that torch traced, at two sizes of images."""

import numpy as np
import torch

from shufflenet.errors import NetworkNotNumbers, ParityError
from shufflenet.export._source import Compute
from shufflenet.networks import AnyNetwork
from shufflenet.runtimes import comparable, tolerance_for
from shufflenet.spec import Card

__all__ = ["check_parity"]


def check_parity(net: AnyNetwork, compute: Compute, card: Card, tolerance: float) -> None:
    """Compare the logits of a file with those of its network, at the card's size and an odd one.

    The rows of a detector, whose file takes images of one size, are compared at that alone.

    Args:
        net: The network, on the CPU, in float32 and evaluation mode.
        compute: Computes the file: images ``(n, channels, h, w)`` to what the network returns.
        card: The network's card.
        tolerance: The largest difference accepted, relative to the largest logit.

    Raises:
        NetworkNotNumbers: the network's own logits are infinite or NaN.
        ParityError: the difference is larger, or not a number.
    """
    (rows, columns), rng = card.preprocess.size_px, np.random.default_rng(0)
    differences, largest = [], []
    odd = (rows, columns) if card.detector else (rows + 1, max(32, columns - 5))
    for n, height, width in ((1, rows, columns), (3, *odd)):
        shape = (n, net.spec.in_channels, height, width)
        images = rng.standard_normal(shape, dtype=np.float32)
        with torch.inference_mode():
            expected = comparable(net(torch.from_numpy(images)).numpy(), card)
        if not np.isfinite(expected).all():
            raise NetworkNotNumbers(net.spec.name)
        differences.append(float(np.abs(comparable(compute(images), card) - expected).max()))
        largest.append(float(np.abs(expected).max()))
    difference = float(np.max(differences))
    allowed = tolerance_for(tolerance, card) * max(1.0, *largest)
    if not difference <= allowed:  # so written, NaN is refused too
        raise ParityError("The exported file", difference, allowed)
