"""The network that ships: batch norms folded into convolutions, and no shuffle.

A shuffle only renames channels, and a convolution's weights can be stored in any channel order.
So channels are followed by name: each is made by one convolution (its producer) and read by one
(its consumer). Every producer's rows are ordered by consumer, so that slices of what it makes are
what each consumer needs; every consumer joins what it was handed, and has its columns in that
order (``wiring.route``). Channels that a unit of V2 would let pass are not touched at all.
"""

from torch import nn

from shufflenet.deploy._fold import compact, fold_batch_norms
from shufflenet.deploy._routed import RoutedNetwork
from shufflenet.deploy._v1 import deploy_v1
from shufflenet.deploy._v2 import deploy_v2
from shufflenet.networks import ShuffleNet
from shufflenet.spec import V1Spec, V2PlusSpec, V2Spec

__all__ = ["RoutedNetwork", "compact", "deploy", "fold_batch_norms"]


def deploy(net: ShuffleNet) -> nn.Module:
    """Make the network that computes what ``net`` computes in evaluation, and ships.

    Batch norms are folded in every network. The shuffle or split of V2 and V2+ is gone, exactly.
    Of V1's, what happens inside groups is gone, and blocks move from group to group. Large and
    ExLarge never shuffle; they keep their split, since they add what a unit makes to what it read.

    The result equals ``net`` to rounding; ``net`` is left as it is.
    """
    folded = fold_batch_norms(net)
    if isinstance(net.spec, V2Spec | V2PlusSpec):
        return deploy_v2(folded).eval()
    return deploy_v1(folded).eval() if isinstance(net.spec, V1Spec) else folded
