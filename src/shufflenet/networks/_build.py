"""The network that a spec describes."""

from typing import assert_never

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._v1 import ShuffleNetV1
from shufflenet.networks._v2 import ShuffleNetV2
from shufflenet.networks._v2large import ShuffleNetV2ExLarge, ShuffleNetV2Large
from shufflenet.networks._v2plus import ShuffleNetV2Plus
from shufflenet.spec import NetworkSpec, V1Spec, V2ExLargeSpec, V2LargeSpec, V2PlusSpec, V2Spec

__all__ = ["build"]


def build(spec: NetworkSpec) -> ShuffleNet:
    """Build a network with random weights, in training mode."""
    match spec:
        case V1Spec():
            return ShuffleNetV1(spec)
        case V2Spec():
            return ShuffleNetV2(spec)
        case V2PlusSpec():
            return ShuffleNetV2Plus(spec)
        case V2LargeSpec():
            return ShuffleNetV2Large(spec)
        case V2ExLargeSpec():
            return ShuffleNetV2ExLarge(spec)
        case _:
            assert_never(spec)
