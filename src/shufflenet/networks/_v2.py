"""ShuffleNet V2: its units, its stages and the network; ``_base`` has ``forward``.

Attributes have the key names of torchvision's checkpoints. V2+, Large and ExLarge use these units.
"""

import torch
from torch import Tensor, nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import (
    activation_layer,
    channel_shuffle,
    conv_bn,
    split_even_odd,
    stem_layers,
)
from shufflenet.spec import Activation, Split, Stage, V2Spec

__all__ = ["KeepUnit", "OpeningUnit", "ShuffleNetV2", "bottleneck", "branches", "projection"]


class KeepUnit(nn.Module):
    """Figure 3c: half of the channels pass unchanged, ``branch2`` transforms the others."""

    def __init__(self, branch2: nn.Sequential, split: Split) -> None:
        super().__init__()
        self.branch2 = branch2
        self.split = split

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        if self.split == "even-odd":
            even, odd = split_even_odd(x)
            return torch.cat((even, self.branch2(odd)), dim=1)
        first, second = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat((first, self.branch2(second)), dim=1), groups=2)


class OpeningUnit(nn.Module):
    """Figure 3d: both branches read every channel and have the stride of the stage."""

    def __init__(self, branch1: nn.Sequential, branch2: nn.Sequential, split: Split) -> None:
        super().__init__()
        self.branch1 = branch1
        self.branch2 = branch2
        self.split = split

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        both = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return both if self.split == "even-odd" else channel_shuffle(both, groups=2)


def projection(
    in_channels: int, out_channels: int, *, kernel: int, stride: int, activation: Activation
) -> nn.Sequential:
    """Build the first branch of an opening unit: depthwise, then 1x1."""
    return nn.Sequential(
        *conv_bn(in_channels, in_channels, kernel=kernel, stride=stride, groups=in_channels),
        *conv_bn(in_channels, out_channels, kernel=1),
        activation_layer(activation),
    )


def bottleneck(
    widths: tuple[int, int, int], *, kernel: int, stride: int, activation: Activation
) -> nn.Sequential:
    """Build the second branch of a unit: 1x1, depthwise, 1x1.

    ``widths`` are the channels of its input, between its convolutions, and of its output.
    """
    in_channels, middle, out_channels = widths
    return nn.Sequential(
        *conv_bn(in_channels, middle, kernel=1),
        activation_layer(activation),
        *conv_bn(middle, middle, kernel=kernel, stride=stride, groups=middle),
        *conv_bn(middle, out_channels, kernel=1),
        activation_layer(activation),
    )


def branches(stage: nn.Sequential) -> tuple[list[nn.Sequential], Split]:
    """Return the branches of a stage, both of its opening unit first, and how its units split."""
    found: list[nn.Sequential] = []
    split: Split = "halves"
    for unit in stage:
        if isinstance(unit, OpeningUnit):
            found += [unit.branch1, unit.branch2]
            split = unit.split
        if isinstance(unit, KeepUnit):
            found.append(unit.branch2)
    return found, split


def _stage(in_channels: int, stage: Stage, spec: V2Spec) -> nn.Sequential:
    projected = spec.projected(in_channels, stage.channels)
    half, act, stride = stage.channels // 2, spec.activation, stage.stride
    widths = (in_channels, half, stage.channels - projected)
    opening = OpeningUnit(
        projection(in_channels, projected, kernel=3, stride=stride, activation=act),
        bottleneck(widths, kernel=3, stride=stride, activation=act),
        spec.split,
    )
    keep = (
        KeepUnit(bottleneck((half, half, half), kernel=3, stride=1, activation=act), spec.split)
        for _ in range(stage.repeats - 1)
    )
    return nn.Sequential(opening, *keep)


class ShuffleNetV2(ShuffleNet):
    """The network that a ``V2Spec`` describes.

    Source: Ma et al. 2018, Table 5 and Figure 3, https://arxiv.org/abs/1807.11164
    """

    def __init__(self, spec: V2Spec) -> None:
        act, features = spec.activation, spec.stages[-1].channels
        inputs = zip(spec.stage_inputs, spec.stages, strict=True)
        super().__init__(
            spec,
            stem=stem_layers(spec, act),
            stages=[_stage(c, stage, spec) for c, stage in inputs],
            head=nn.Sequential(
                *conv_bn(features, spec.head_channels, kernel=1), activation_layer(act)
            ),
        )
