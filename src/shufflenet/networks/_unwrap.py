"""The network inside what torch wraps around it, and copies of it."""

import copy
from typing import TypeVar

from torch import nn

from shufflenet.errors import NotDeployable, SpecError
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._detector import AnyNetwork, Detector

__all__ = ["copy_network", "float_copy", "unwrap"]

_Net = TypeVar("_Net", bound=AnyNetwork)


def unwrap(net: nn.Module) -> AnyNetwork:
    """Return the network inside ``torch.compile``'s and ``DataParallel``'s modules.

    Raises:
        SpecError: it is none of this package.
    """
    while not isinstance(net, ShuffleNet | Detector):
        inner = getattr(net, "_orig_mod", None) or getattr(net, "module", None)
        if not isinstance(inner, nn.Module):
            raise SpecError("the network", type(net).__name__, "one of shufflenet.models")
        net = inner
    return net


def copy_network(net: _Net) -> _Net:
    """Return a deep copy of a network.

    Raises:
        NotDeployable: it holds what cannot be copied, such as the result of a computation that
            gradients flow through.
    """
    try:
        return copy.deepcopy(net)
    except (RuntimeError, TypeError) as error:  # torch's of a tensor, Python's of a lock or a file
        raise NotDeployable("", "holds what cannot be copied") from error


def float_copy(net: nn.Module) -> AnyNetwork:
    """Return a copy of a network in float32, on the CPU, in evaluation mode.

    Args:
        net: The network, also as ``torch.compile`` and ``DataParallel`` wrap it.

    Raises:
        SpecError: it is none of this package, or has no weights yet.
        NotDeployable: it holds what cannot be copied.
    """
    network = unwrap(net)
    if any(tensor.is_meta for tensor in network.state_dict().values()):
        raise SpecError("the device of the network", "meta", "one that holds weights, such as cpu")
    return copy_network(network).cpu().float().eval()
