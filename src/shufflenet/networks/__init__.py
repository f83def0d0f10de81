"""The networks of the family as torch modules, built from their specs."""

from shufflenet.networks._arrays import build_with, load_arrays, state_arrays
from shufflenet.networks._backbone import Backbone, feature_maps
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import (
    ChannelShuffle,
    SqueezeExcite,
    channel_shuffle,
    convolutions,
)
from shufflenet.networks._build import build
from shufflenet.networks._compare import compare_logits
from shufflenet.networks._detector import AnyNetwork, Detector, build_detector, cell_centers
from shufflenet.networks._inputs import channels_read
from shufflenet.networks._unwrap import copy_network, float_copy, unwrap
from shufflenet.networks._v1 import ShuffleNetV1, V1Unit
from shufflenet.networks._v2 import KeepUnit, OpeningUnit, ShuffleNetV2, branches
from shufflenet.networks._v2large import ShuffleNetV2ExLarge, ShuffleNetV2Large
from shufflenet.networks._v2plus import ShuffleNetV2Plus
from shufflenet.networks._widen import can_widen, widen

__all__ = [
    "AnyNetwork",
    "Backbone",
    "ChannelShuffle",
    "Detector",
    "KeepUnit",
    "OpeningUnit",
    "ShuffleNet",
    "ShuffleNetV1",
    "ShuffleNetV2",
    "ShuffleNetV2ExLarge",
    "ShuffleNetV2Large",
    "ShuffleNetV2Plus",
    "SqueezeExcite",
    "V1Unit",
    "branches",
    "build",
    "build_detector",
    "build_with",
    "can_widen",
    "cell_centers",
    "channel_shuffle",
    "channels_read",
    "compare_logits",
    "convolutions",
    "copy_network",
    "feature_maps",
    "float_copy",
    "load_arrays",
    "state_arrays",
    "unwrap",
    "widen",
]
