"""From a spec to the network that it describes."""

from shufflenet.spec import NetworkSpec, V1Spec, V2ExLargeSpec, V2LargeSpec, V2PlusSpec
from shufflenet.trunk import ShuffleNet
from shufflenet.v1 import ShuffleNetV1
from shufflenet.v2 import ShuffleNetV2
from shufflenet.v2large import ShuffleNetV2ExLarge, ShuffleNetV2Large
from shufflenet.v2plus import ShuffleNetV2Plus

__all__ = ["build"]


def build(spec: NetworkSpec) -> ShuffleNet:
    """Make a network with random weights, in training mode."""
    match spec:
        case V1Spec():
            return ShuffleNetV1(spec)
        case V2PlusSpec():
            return ShuffleNetV2Plus(spec)
        case V2LargeSpec():
            return ShuffleNetV2Large(spec)
        case V2ExLargeSpec():
            return ShuffleNetV2ExLarge(spec)
        case _:
            return ShuffleNetV2(spec)
