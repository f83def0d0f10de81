"""The last defence of deployment: logits of random images, before and after."""

import torch

from shufflenet.errors import DeployedDiffers
from shufflenet.networks import AnyNetwork, compare_logits

__all__ = ["check_deployed"]

# Relative to the largest logit. Seen on the catalogue with random weights: 2e-15 in float64 and
# 4e-5 in float32; a channel in a wrong place moves logits by about as much as they are.
_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3}


def check_deployed(net: AnyNetwork, deployed: AnyNetwork) -> None:
    """Compare a deployed network with the one it was made of; neither is changed.

    Nothing is compared on the meta device, where there are no values.

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
    difference, largest = compare_logits(net, deployed)
    allowed = _TOLERANCES[weight.dtype] * largest
    if not difference <= allowed:  # so written, NaN is refused too
        raise DeployedDiffers(difference, allowed)
