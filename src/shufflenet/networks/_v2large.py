"""ShuffleNet V2 Large and ExLarge: wide units that split even-odd and add their input."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import SqueezeExcite, conv_bn, split_even_odd
from shufflenet.networks._v2 import OpeningUnit
from shufflenet.spec import Stage, V2ExLargeSpec, V2LargeSpec

__all__ = ["LargeOpeningUnit", "ResidualUnit", "ShuffleNetV2ExLarge", "ShuffleNetV2Large"]


class ResidualUnit(nn.Module):
    """Even channels pass unchanged; ``branch2`` of the odd ones is added to them."""

    def __init__(self, branch2: nn.Sequential) -> None:
        super().__init__()
        self.branch2 = branch2

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        even, odd = split_even_odd(x)
        return torch.cat((even, torch.relu(odd + self.branch2(odd))), dim=1)


class LargeOpeningUnit(nn.Module):
    """A branch for the even channels, one for the odd ones, and a 1x1 if the stride is 2."""

    def __init__(self, branch1: nn.Sequential, branch2: nn.Sequential, down: nn.Module) -> None:
        super().__init__()
        self.branch1 = branch1
        self.branch2 = branch2
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        even, odd = split_even_odd(x)
        both = torch.relu(torch.cat((self.branch1(even), self.branch2(odd)), dim=1))
        output: Tensor = self.down(both)
        return output


def _conv_bn_relu(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1
) -> list[nn.Module]:
    return [
        *conv_bn(in_channels, out_channels, kernel=kernel, stride=stride),
        nn.ReLU(inplace=True),
    ]


def _stem(spec: V2LargeSpec | V2ExLargeSpec) -> nn.Sequential:
    layers: list[nn.Module] = []
    stride = min(spec.stem_stride, 2)
    for inputs, outputs in pairwise((spec.in_channels, *spec.stem_channels)):
        layers += _conv_bn_relu(inputs, outputs, kernel=3, stride=stride)
        stride = 1
    return nn.Sequential(*layers)


class ShuffleNetV2Large(ShuffleNet):
    """The network that a ``V2LargeSpec`` describes.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2.Large/network.py; the heads
    that only its training uses are left out.
    """

    def __init__(self, spec: V2LargeSpec) -> None:
        features = spec.stages[-1].channels
        inputs = zip(spec.stage_inputs, spec.stages, strict=True)
        super().__init__(
            spec,
            stem=_stem(spec),
            stages=[self._stage(c, stage, spec) for c, stage in inputs],
            head=nn.Sequential(
                *_conv_bn_relu(features, spec.head_channels, kernel=spec.head_kernel)
            ),
        )

    @staticmethod
    def _stage(in_channels: int, stage: Stage, spec: V2LargeSpec) -> nn.Sequential:
        c, half, stride = stage.channels, stage.channels // 2, stage.stride

        def branch2(inputs: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                *_conv_bn_relu(inputs, half, kernel=1),
                *conv_bn(half, half, kernel=3, stride=stride, groups=spec.groups),
                nn.ReLU(inplace=True),
                *conv_bn(half, half, kernel=1),
                SqueezeExcite(half, half, "sigmoid"),
            )

        down = nn.Sequential(*_conv_bn_relu(c, c, kernel=1)) if stride == 2 else nn.Identity()
        branch1 = nn.Sequential(*conv_bn(in_channels // 2, half, kernel=3, stride=stride))
        opening = LargeOpeningUnit(branch1, branch2(in_channels // 2, stride), down)
        units = (ResidualUnit(branch2(half, 1)) for _ in range(stage.repeats - 1))
        return nn.Sequential(opening, *units)


class ShuffleNetV2ExLarge(ShuffleNet):
    """The network that a ``V2ExLargeSpec`` describes.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2.ExLarge/network.py; the heads
    that only its training uses are left out.
    """

    def __init__(self, spec: V2ExLargeSpec) -> None:
        inputs = zip(spec.stage_inputs, spec.stages, strict=True)
        super().__init__(
            spec,
            stem=_stem(spec),
            stages=[self._stage(c, stage, spec) for c, stage in inputs],
        )

    @staticmethod
    def _stage(in_channels: int, stage: Stage, spec: V2ExLargeSpec) -> nn.Sequential:
        c, half, stride = stage.channels, stage.channels // 2, stage.stride

        def branch2(inputs: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                *_conv_bn_relu(inputs, c, kernel=1),
                *conv_bn(c, c, kernel=3, stride=stride, groups=spec.groups),
                nn.ReLU(inplace=True),
                *conv_bn(c, c, kernel=3, groups=c),
                *conv_bn(c, half, kernel=1),
                SqueezeExcite(half, half // spec.squeeze_reduction, "sigmoid"),
            )

        branch1 = nn.Sequential(*_conv_bn_relu(in_channels, half, kernel=3, stride=stride))
        opening = OpeningUnit(branch1, branch2(in_channels, stride), "even-odd")
        units = (ResidualUnit(branch2(half, 1)) for _ in range(stage.repeats - 1))
        return nn.Sequential(opening, *units, nn.Sequential(*_conv_bn_relu(c, c, kernel=1)))
