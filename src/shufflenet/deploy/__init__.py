"""Deployed networks: the same function without batch norms and without the shuffle.

A shuffle only permutes channels, and a convolution can store its weights in any channel order.
``deploy`` traces each channel from the convolution that computes it to the one that reads it
(``channels.trace_stage``). It permutes the rows of the first and the columns of the second, so
that one Split after each producer and one Concat before each consumer do the routing
(``channels.route``). Channels that pass a unit of V2 unchanged are not moved at all.
"""

from typing import TypeVar, assert_never, overload

import torch
from torch import nn

from shufflenet.deploy._block_shuffle import deploy_v1
from shufflenet.deploy._fold import compact, fold_batch_norms
from shufflenet.deploy._read import check_parts, check_plain
from shufflenet.deploy._route import deploy_v2
from shufflenet.deploy._routed import RoutedNetwork
from shufflenet.deploy._verify import check_deployed
from shufflenet.networks import AnyNetwork, Detector, ShuffleNet, copy_network, unwrap
from shufflenet.spec import V1Spec, V2ExLargeSpec, V2LargeSpec, V2PlusSpec, V2Spec

__all__ = ["RoutedNetwork", "compact", "deploy", "fold_batch_norms"]


_Net = TypeVar("_Net", bound=AnyNetwork)


@overload
def deploy(net: ShuffleNet) -> ShuffleNet: ...
@overload
def deploy(net: Detector) -> Detector: ...
@overload
def deploy(net: nn.Module) -> AnyNetwork: ...
def deploy(net: nn.Module) -> AnyNetwork:
    """Return a network that computes what ``net`` computes in evaluation mode, but faster.

    Batch norms are folded into convolutions. In V2 and V2+ the shuffle or split disappears
    exactly. In V1 the part of the shuffle inside groups disappears; one Gather moves blocks of
    channels between groups. Large and ExLarge have no shuffle, and keep their split because they
    add a unit's input to its output.

    The result maps images ``(n, in_channels, h, w)`` to the logits of ``net`` up to rounding, which
    is checked on random images, or to the boxes and scores of a detector. ``net`` is not changed.

    Args:
        net: A network of this package, on any device and in any mode, also as ``torch.compile`` and
            ``DataParallel`` wrap it. Its stages and head are as its spec says, but for what is
            as good: synchronized and frozen batch norms, or none; biases, strides and dilations;
            activations that act on every value alike. Stem and classifier may be any modules.
            float16 and bfloat16 are folded in float32 and rounded once.

    Raises:
        SpecError: it is no network of this package.
        NotDeployable: its stages, its head or its neck hold another module, or any part has a hook.
        DeployedDiffers: the logits differ by more than rounding.
    """
    network = unwrap(net)
    check_plain(network)
    kind = next(p.dtype for p in network.parameters() if p.is_floating_point())
    original = copy_network(network).eval().to(torch.promote_types(kind, torch.float32))
    deployed = _rewrite(original).eval()
    check_deployed(original, deployed)
    return deployed.to(kind)


def _rewrite(net: _Net) -> _Net:
    match net.spec:
        case V1Spec():
            check_parts(net)
            return deploy_v1(fold_batch_norms(net))
        case V2Spec() | V2PlusSpec():
            check_parts(net)
            return deploy_v2(fold_batch_norms(net))
        case V2LargeSpec() | V2ExLargeSpec():
            return fold_batch_norms(net)
        case _:
            assert_never(net.spec)
