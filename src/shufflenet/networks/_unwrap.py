"""The network inside what torch wraps around it, and copies of it."""

import copy

from torch import nn

from shufflenet.errors import NotDeployable, SpecError
from shufflenet.networks._base import ShuffleNet

__all__ = ["copy_network", "unwrap"]


def unwrap(net: nn.Module) -> ShuffleNet:
    """Return the network inside ``torch.compile``'s and ``DataParallel``'s modules.

    Raises:
        SpecError: it is none of this package.
    """
    while not isinstance(net, ShuffleNet):
        inner = getattr(net, "_orig_mod", None) or getattr(net, "module", None)
        if not isinstance(inner, nn.Module):
            raise SpecError("the network", type(net).__name__, "one of shufflenet.models")
        net = inner
    return net


def copy_network(net: ShuffleNet) -> ShuffleNet:
    """Return a deep copy of a network.

    Raises:
        NotDeployable: it holds what cannot be copied, such as the result of a computation that
            gradients flow through.
    """
    try:
        return copy.deepcopy(net)
    except (RuntimeError, TypeError) as error:  # torch's of a tensor, Python's of a lock or a file
        raise NotDeployable("", "holds what cannot be copied") from error
