"""The outputs of two networks for the same random images."""

import copy

import torch
from torch import Tensor

from shufflenet.errors import NetworkNotNumbers
from shufflenet.networks._detector import AnyNetwork, Detector
from shufflenet.networks._inputs import channels_read

__all__ = ["compare_logits"]

_ROUNDED = 1e-3  # of the largest logit of a detector, whose sums are rounded to about 1e-7 of it


@torch.no_grad()
def compare_logits(net: AnyNetwork, other: AnyNetwork) -> tuple[float, float]:
    """Return the largest difference of two networks' logits, and what it is to be compared with.

    Copies of both compute two random images, always the same, on the CPU and in evaluation mode.
    If logits of ``other`` are NaN, so is the difference.

    Args:
        net: A network of float32 or float64.
        other: One of the same type that takes the same images.

    Returns:
        The difference, and the largest logit of the first network. Of a detector it is the largest
        that a logit is off its mean over the cells: a new head says nearly the same of all.

    Raises:
        NetworkNotNumbers: the first network's logits are infinite or NaN.
    """
    kind = next(p.dtype for p in net.parameters() if p.is_floating_point())
    channels = channels_read(net.conv1) or net.spec.in_channels
    seed = torch.Generator().manual_seed(0)
    width = 96 if isinstance(net, Detector) else 72
    images = torch.randn(2, channels, 64, width, generator=seed, dtype=kind)
    with torch.autocast("cpu", enabled=False):
        expected, found = (
            _outputs(copy.deepcopy(each).cpu().eval(), images) for each in (net, other)
        )
    if not expected.isfinite().all():
        raise NetworkNotNumbers(net.spec.name)
    largest = expected.abs().max()
    if isinstance(net, Detector):
        off_mean = (expected - expected.mean(dim=1, keepdim=True)).abs().max()
        largest = torch.maximum(off_mean, _ROUNDED * largest)
    return float((found - expected).abs().max()), float(largest)


def _outputs(net: AnyNetwork, images: Tensor) -> Tensor:
    """Compute logits, ``(n, classes)``, or of a detector ``(n, cells, classes + 4 * bins)``."""
    return net.outputs(images) if isinstance(net, Detector) else net(images)
