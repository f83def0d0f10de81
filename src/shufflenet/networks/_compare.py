"""The logits of two networks for the same random images."""

import copy

import torch

from shufflenet.errors import NetworkNotNumbers
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._inputs import channels_read

__all__ = ["compare_logits"]


@torch.no_grad()
def compare_logits(net: ShuffleNet, other: ShuffleNet) -> tuple[float, float]:
    """Return the largest difference of two networks' logits, and the largest logit of the first.

    Copies of both compute two random images, always the same, on the CPU and in evaluation mode.
    If logits of ``other`` are NaN, so is the difference.

    Args:
        net: A network of float32 or float64.
        other: One of the same type that takes the same images.

    Raises:
        NetworkNotNumbers: the first network's logits are infinite or NaN.
    """
    kind = next(p.dtype for p in net.parameters() if p.is_floating_point())
    channels = channels_read(net.conv1) or net.spec.in_channels
    seed = torch.Generator().manual_seed(0)
    images = torch.randn(2, channels, 64, 72, generator=seed, dtype=kind)
    with torch.autocast("cpu", enabled=False):
        expected, found = (copy.deepcopy(each).cpu().eval()(images) for each in (net, other))
    if not expected.isfinite().all():
        raise NetworkNotNumbers(net.spec.name)
    return float((found - expected).abs().max()), float(expected.abs().max())
