"""Stages of ShuffleNet V2 and V2+ without their shuffle."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shufflenet.channels import Order, count_transfers, find_positions, route, trace_stage
from shufflenet.deploy._reorder import pad_middle, reorder_inputs, reorder_outputs
from shufflenet.networks import AnyNetwork, Detector, branches, convolutions

__all__ = ["RoutedStage", "deploy_v2", "route_stages"]

# ONNX Runtime computes convolutions in blocks of channels, several times faster than otherwise, if
# the number of channels is a multiple of 4 (nchwc_transformer.cc); halves of 58 or 122 are not.
_MULTIPLE = 4

_Net = TypeVar("_Net", bound=AnyNetwork)


def deploy_v2(folded: _Net) -> _Net:
    """Remove the shuffle from a network of V2 or V2+ whose batch norms are folded, in place.

    Channels of zeros, which do not change the function, pad the inputs of convolutions to
    multiples of 4.
    """
    for stage in folded.stages:
        for branch in branches(stage)[0]:
            pad_middle(branch, _MULTIPLE)
    return route_stages(folded, _MULTIPLE)


def route_stages(net: _Net, multiple: int = 1) -> _Net:
    """Remove the shuffle from a network of V2 or V2+, in place; batch norms may remain.

    Layers keep their names. Channels of zeros pad the input of every unit to a multiple of
    ``multiple`` channels; if that is more than 1, batch norms must be folded.
    """
    order: Order = np.arange(convolutions(net.conv1.children())[-1].out_channels)
    orders = []
    for number, stage in enumerate(net.stages, 2):
        routed, order = _route_stage(stage, order, multiple)
        net.add_module(f"stage{number}", routed)
        orders.append(order)
    if isinstance(net, Detector):  # its neck reads the outputs of several stages
        laterals = net.neck.laterals
        for lateral, each in zip(laterals, orders[-len(laterals) :], strict=True):
            reorder_inputs(lateral.children(), each)
    else:
        reorder_inputs(net.conv5.children(), order)
    return net


class RoutedStage(nn.Sequential):
    """A stage in which channels go directly from the producer to the consumer.

    Attributes:
        routes: ``routes[p]`` lists the slices of producer ``p``'s output, each as its consumer
            and its number of channels. Producers are the two branches of the opening unit, then
            the branch of every later unit; consumer ``k`` is the ``k``-th later unit, and the
            last consumer is the end of the stage.
    """

    def __init__(
        self, units: Iterable[nn.Module], routes: tuple[tuple[tuple[int, int], ...], ...]
    ) -> None:
        super().__init__(*units)
        self.routes = routes
        self._consumers = [[consumer for consumer, _ in slices] for slices in routes]
        self._sizes = [[size for _, size in slices] for slices in routes]

    if TYPE_CHECKING:  # TorchScript reads comments of types, so forward must not ignore any

        def __iter__(self) -> Iterator[Any]:
            """Iterate over the units."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        # TorchScript compiles this: no comprehension of lists, no zip, no isinstance.
        inputs: list[list[Tensor]] = []  # the slices for each consumer
        for _ in self._sizes[1:]:  # one consumer fewer than producers
            inputs.append([])
        producer = 0
        for unit in self:
            arrived = x
            if hasattr(unit, "branch1"):  # the opening unit
                self._send(unit.branch1(x), producer, inputs)
                producer += 1
            else:
                arrived = _concatenate(inputs[producer - 2])
            self._send(unit.branch2(arrived), producer, inputs)
            producer += 1
        return _concatenate(inputs[-1])

    def _send(self, x: Tensor, producer: int, inputs: list[list[Tensor]]) -> None:
        """Split an output ``(n, c, h, w)`` and append the slices to their consumers' inputs."""
        consumers, sizes = self._consumers[producer], self._sizes[producer]
        slices = [x] if len(sizes) == 1 else x.split_with_sizes(sizes, dim=1)
        for number, consumer in enumerate(consumers):
            inputs[consumer].append(slices[number])


def _concatenate(slices: list[Tensor]) -> Tensor:
    return torch.cat(slices, dim=1) if len(slices) > 1 else slices[0]


def _route_stage(stage: nn.Sequential, arrival: Order, multiple: int) -> tuple[RoutedStage, Order]:
    """Route a stage whose input channels arrive in the order ``arrival``, ``(c,)``.

    Returns:
        The stage, and the order of its output channels.
    """
    producers, split = branches(stage)
    for branch in producers[:2]:
        reorder_inputs(branch, arrival)
    widths = [convolutions(branch)[-1].out_channels for branch in producers]
    output, reads = trace_stage(widths, split)
    consumers = [*reads, output]
    routing = route(widths, consumers, _pad(count_transfers(widths, consumers), multiple))
    for branch, rows in zip(producers, routing.rows, strict=True):
        reorder_outputs(branch, rows)
    for branch, names, arrived in zip(producers[2:], reads, routing.arrivals, strict=False):
        reorder_inputs(branch, find_positions(names, arrived))
    return RoutedStage(stage, routing.routes), find_positions(output, routing.arrivals[-1])


def _pad(transfers: npt.NDArray[np.intp], multiple: int) -> npt.NDArray[np.intp]:
    """Return how many zeros to add to ``transfers``, ``(producers, consumers)``.

    They make every consumer's number of channels a multiple; its last producer adds them.
    """
    zeros = np.zeros_like(transfers)
    for consumer, counts in enumerate(transfers.T):
        zeros[np.flatnonzero(counts)[-1], consumer] = -counts.sum() % multiple
    return zeros
