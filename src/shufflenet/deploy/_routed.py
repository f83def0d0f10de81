"""Training without the shuffle: the network routed, and its weights put back in order."""

import copy

import torch
from torch import Tensor

from shufflenet.deploy._v2 import route_stages
from shufflenet.networks import ShuffleNet
from shufflenet.spec import V2PlusSpec, V2Spec

__all__ = ["RoutedNetwork"]


class RoutedNetwork:
    """A network without its shuffle that trains, and the way back to the order of the original.

    ``net`` has batch norms and computes, and learns, what the original does, to rounding. Its
    weights bear the same names, with channels in another order.
    """

    def __init__(self, original: ShuffleNet) -> None:
        self.net = _routed(copy.deepcopy(original))
        for name, parameter in original.named_parameters():
            self.net.get_parameter(name).requires_grad_(parameter.requires_grad)
        self._sources = _sources(original)

    def restore_order(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Put the weights and statistics of ``net``, or of a copy of it, in the original's order.

        Not a bit of them changes.
        """
        return {name: self._put_back(name, value) for name, value in state.items()}

    def _put_back(self, name: str, value: Tensor) -> Tensor:
        result = torch.empty_like(value, memory_format=torch.contiguous_format)
        result.view(-1)[self._sources[name].to(value.device)] = value.reshape(-1)
        return result


def _routed(net: ShuffleNet) -> ShuffleNet:
    return route_stages(net) if isinstance(net.spec, V2Spec | V2PlusSpec) else net


def _sources(net: ShuffleNet) -> dict[str, Tensor]:
    """Say for every weight of the routed network at which place of the original's it stood.

    Weights that are their own places are routed, and found where they came to lie.
    """
    places = copy.deepcopy(net).double()  # holds whole numbers up to 2**53
    for tensor in places.state_dict().values():
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape))
    return {name: t.long().reshape(-1) for name, t in _routed(places).state_dict().items()}
