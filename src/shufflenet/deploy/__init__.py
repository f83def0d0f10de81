"""Deployed networks: the same function without batch norms and without the shuffle.

A shuffle only permutes channels, and a convolution can store its weights in any channel order.
``deploy`` traces each channel from the convolution that computes it to the one that reads it
(``channels.trace_stage``). It permutes the rows of the first and the columns of the second, so
that one Split after each producer and one Concat before each consumer do the routing
(``channels.route``). Channels that pass a unit of V2 unchanged are not moved at all.
"""

from typing import assert_never

from torch import nn

from shufflenet.deploy._block_shuffle import deploy_v1
from shufflenet.deploy._fold import compact, fold_batch_norms
from shufflenet.deploy._route import deploy_v2
from shufflenet.deploy._routed import RoutedNetwork
from shufflenet.networks import ShuffleNet
from shufflenet.spec import V1Spec, V2ExLargeSpec, V2LargeSpec, V2PlusSpec, V2Spec

__all__ = ["RoutedNetwork", "compact", "deploy", "fold_batch_norms"]


def deploy(net: ShuffleNet) -> nn.Module:
    """Return a network that computes what ``net`` computes in evaluation mode, but faster.

    Batch norms are folded into convolutions. In V2 and V2+ the shuffle or split disappears
    exactly. In V1 the part of the shuffle inside groups disappears; one Gather moves blocks of
    channels between groups. Large and ExLarge have no shuffle, and keep their split because they
    add a unit's input to its output.

    The result maps images ``(n, in_channels, h, w)`` to the logits of ``net`` up to rounding.
    ``net`` is not changed.
    """
    folded = fold_batch_norms(net)
    match net.spec:
        case V1Spec():
            return deploy_v1(folded).eval()
        case V2Spec() | V2PlusSpec():
            return deploy_v2(folded).eval()
        case V2LargeSpec() | V2ExLargeSpec():
            return folded
        case _:
            assert_never(net.spec)
