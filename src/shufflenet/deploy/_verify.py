"""The last defence of deployment: logits of random images, before and after."""

import copy

import torch

from shufflenet.errors import DeployedDiffers, NetworkNotNumbers
from shufflenet.networks import ShuffleNet, channels_read

__all__ = ["check_deployed"]

# Relative to the largest logit. Seen on the catalogue with random weights: 2e-15 in float64 and
# 4e-6 in float32; a channel in a wrong place moves logits by about as much as they are.
_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3}


@torch.no_grad()
def check_deployed(net: ShuffleNet, deployed: ShuffleNet) -> None:
    """Compare a deployed network with the one it was made of; neither is changed.

    Both compute a random batch of two images on the CPU. Nothing is compared on the meta device,
    where there are no values.

    Args:
        net: In evaluation mode, of float32 or float64.
        deployed: Of the same type.

    Raises:
        NetworkNotNumbers: the network's own logits are infinite or NaN.
        DeployedDiffers: logits differ by more than rounding.
    """
    weight = next(p for p in net.parameters() if p.is_floating_point())
    if weight.is_meta:
        return
    channels = channels_read(net.conv1) or net.spec.in_channels
    seed = torch.Generator().manual_seed(0)
    images = torch.randn(2, channels, 64, 72, generator=seed, dtype=weight.dtype)
    with torch.autocast("cpu", enabled=False):
        expected, found = (copy.deepcopy(each).cpu()(images) for each in (net, deployed))
    if not expected.isfinite().all():
        raise NetworkNotNumbers(net.spec.name)
    difference = float((found - expected).abs().max())
    allowed = _TOLERANCES[weight.dtype] * float(expected.abs().max())
    if not difference <= allowed:  # so written, NaN is refused too
        raise DeployedDiffers(difference, allowed)
