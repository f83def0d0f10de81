"""Training without the shuffle, and the weights back in the order of the original network."""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor

from shufflenet.deploy._read import check_parts, check_plain
from shufflenet.deploy._route import route_stages
from shufflenet.networks import AnyNetwork, copy_network
from shufflenet.spec import V2PlusSpec, V2Spec

__all__ = ["RoutedNetwork"]

_Net = TypeVar("_Net", bound=AnyNetwork)


class RoutedNetwork(Generic[_Net]):
    """A copy of a network that trains without the shuffle, and the permutation of its weights.

    Attributes:
        net: The copy. It has batch norms, and computes and learns what the original does, up to
            rounding. Its weights have the same names, but permuted channels. A network other than
            V2 or V2+ is copied unchanged.
    """

    def __init__(self, original: _Net) -> None:
        """Copy a network.

        Raises:
            NotDeployable: its stages, or what reads them, hold another module than its spec says,
                or any part has a hook.
        """
        check_plain(original)
        if isinstance(original.spec, V2Spec | V2PlusSpec):
            check_parts(original, trains=True)
        self.net = _remove_shuffle(copy_network(original))
        for name, parameter in original.named_parameters():
            self.net.get_parameter(name).requires_grad_(parameter.requires_grad)
        self._sources = _find_sources(original)

    def restore_order(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights and statistics of ``net``, or of a copy of it, in the original order.

        Tensors keep the shapes of the original, such as ``(out, in / groups, kernel, kernel)``;
        values are bitwise the same.
        """
        return {name: self._restore(name, value) for name, value in state.items()}

    def _restore(self, name: str, value: Tensor) -> Tensor:
        result = torch.empty_like(value, memory_format=torch.contiguous_format)
        result.view(-1)[self._sources[name].to(value.device)] = value.reshape(-1)
        return result


def _remove_shuffle(net: _Net) -> _Net:
    return route_stages(net) if isinstance(net.spec, V2Spec | V2PlusSpec) else net


def _find_sources(net: AnyNetwork) -> dict[str, Tensor]:
    """Return for every weight of the routed network its index in the original's flattened tensor.

    A network whose weights are these indices is routed, which permutes them.
    """
    indices = copy.deepcopy(net).double()  # exact for integers up to 2**53
    for tensor in indices.state_dict().values():
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape))
    routed = _remove_shuffle(indices).state_dict()
    return {name: tensor.long().reshape(-1) for name, tensor in routed.items()}
