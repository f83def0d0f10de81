"""Count what a network costs from its spec, without computing it."""

from dataclasses import dataclass

from shufflenet.layers import layers
from shufflenet.spec import DetectorSpec, NetworkSpec

__all__ = ["Cost", "cost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one image costs in convolutions and linear layers; other operations are not counted."""

    parameters: int
    multiply_adds: int
    memory_access_bytes: int  # in float32


def cost(
    spec: NetworkSpec, height: int = 224, width: int = 224, detector: DetectorSpec | None = None
) -> Cost:
    """Count parameters, multiply-adds and memory access of a network for one image.

    Args:
        spec: The network.
        height: The height of the image.
        width: Its width.
        detector: What is put on the stages, for a detector; a classifier unless given.

    >>> from shufflenet.zoo import find_network
    >>> cost(find_network("shufflenet_v2_x1_0"))
    Cost(parameters=2278604, multiply_adds=144907992, memory_access_bytes=25000352)
    """
    all_layers = list(layers(spec, height, width, detector))
    return Cost(
        parameters=sum(layer.parameters for layer in all_layers),
        multiply_adds=sum(layer.multiply_adds for layer in all_layers),
        memory_access_bytes=sum(layer.memory_access_bytes for layer in all_layers),
    )
