"""The outputs of two networks for the same random images."""

import copy

import torch
from torch import Tensor

from shufflenet.errors import NetworkNotNumbers
from shufflenet.networks._detector import AnyNetwork, Detector
from shufflenet.networks._inputs import channels_read

__all__ = ["compare_logits"]

_TINY = 1e-30


@torch.no_grad()
def compare_logits(net: AnyNetwork, other: AnyNetwork) -> tuple[float, float]:
    """Return the largest difference of two networks' logits, and the largest logit of the first.

    Copies of both compute two random images, always the same, on the CPU and in evaluation mode.
    If logits of ``other`` are NaN, so is the difference.

    Of detectors the maps of the neck are compared too, for a new head says nearly the same of all
    of them. Each of these outputs is divided by its largest value first, so that the largest is 1.

    Args:
        net: A network of float32 or float64.
        other: One of the same type that takes the same images.

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
    if not all(each.isfinite().all() for each in expected):
        raise NetworkNotNumbers(net.spec.name)
    largest = [each.abs().max().clamp(min=_TINY) for each in expected]
    differences = [(a - b).abs().max() for a, b in zip(found, expected, strict=True)]
    if len(expected) == 1:
        return float(differences[0]), float(largest[0])
    relative = [difference / each for difference, each in zip(differences, largest, strict=True)]
    return float(torch.stack(relative).max()), 1.0


def _outputs(net: AnyNetwork, images: Tensor) -> list[Tensor]:
    """Compute logits, ``(n, classes)``, or the neck's maps and the logits of a detector."""
    if isinstance(net, Detector):
        return [*net.neck_maps(images), net.outputs(images)]
    return [net(images)]
