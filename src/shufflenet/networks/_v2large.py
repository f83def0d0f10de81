"""ShuffleNet V2 Large and ExLarge: wide units that split even-odd and add what they read."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import OpeningUnit, SqueezeExcite, conv_bn, even_odd, stem_pool
from shufflenet.spec import Stage, V2ExLargeSpec, V2LargeSpec

__all__ = ["LargeOpeningUnit", "ResidualUnit", "ShuffleNetV2ExLarge", "ShuffleNetV2Large"]

_LARGE_EPS = 1e-9  # of Large's batch norms: ShuffleNetV2.Large/network.py, Conv_BN_ReLU


class ResidualUnit(nn.Module):
    """Even channels pass; odd ones are transformed and added to themselves."""

    def __init__(self, branch2: nn.Sequential) -> None:
        super().__init__()
        self.branch2 = branch2

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        kept, worked = even_odd(x)
        return torch.cat((kept, torch.relu(worked + self.branch2(worked))), dim=1)


class LargeOpeningUnit(nn.Module):
    """Even and odd channels go through a branch each; where the size halves, a 1x1 follows."""

    def __init__(self, branch1: nn.Sequential, branch2: nn.Sequential, down: nn.Module) -> None:
        super().__init__()
        self.branch1 = branch1
        self.branch2 = branch2
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        even, odd = even_odd(x)
        made = torch.relu(torch.cat((self.branch1(even), self.branch2(odd)), dim=1))
        down: Tensor = self.down(made)
        return down


def _conv_bn_relu(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1, eps: float = 1e-5
) -> list[nn.Module]:
    layers = conv_bn(in_channels, out_channels, kernel=kernel, stride=stride, eps=eps)
    return [*layers, nn.ReLU(inplace=True)]


def _stem(spec: V2LargeSpec | V2ExLargeSpec, eps: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    stride = min(spec.stem_stride, 2)
    for read, made in pairwise((spec.in_channels, *spec.stem_channels)):
        layers += _conv_bn_relu(read, made, kernel=3, stride=stride, eps=eps)
        stride = 1
    return nn.Sequential(*layers)


class ShuffleNetV2Large(ShuffleNet):
    """The network that a ``V2LargeSpec`` describes.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2.Large/network.py; the heads
    that only its training uses are left out.
    """

    def __init__(self, spec: V2LargeSpec) -> None:
        inputs = [spec.stem_channels[-1], *(stage.channels for stage in spec.stages)]
        super().__init__(
            spec,
            stem=_stem(spec, _LARGE_EPS),
            pool=stem_pool(spec.stem_stride),
            stages=[
                self._stage(c, stage, spec) for c, stage in zip(inputs, spec.stages, strict=False)
            ],
            head=nn.Sequential(
                *_conv_bn_relu(inputs[-1], spec.head_channels, kernel=3, eps=_LARGE_EPS)
            ),
            neck=nn.Identity(),
            classifier=nn.Linear(spec.head_channels, spec.classes, bias=spec.classifier_bias),
            dropout=spec.dropout,
        )

    @staticmethod
    def _stage(in_channels: int, stage: Stage, spec: V2LargeSpec) -> nn.Sequential:
        read, half, stride = in_channels // 2, stage.channels // 2, stage.stride

        def branch2(read: int, stride: int) -> nn.Sequential:
            grouped = {"kernel": 3, "stride": stride, "groups": spec.groups}
            return nn.Sequential(
                *_conv_bn_relu(read, half, kernel=1, eps=_LARGE_EPS),
                *conv_bn(half, half, **grouped, eps=_LARGE_EPS),
                nn.ReLU(inplace=True),
                *conv_bn(half, half, kernel=1, eps=_LARGE_EPS),
                SqueezeExcite(half, half, "sigmoid"),
            )

        c = stage.channels
        down = (
            nn.Sequential(*_conv_bn_relu(c, c, kernel=1, eps=_LARGE_EPS))
            if stride == 2
            else nn.Identity()
        )
        branch1 = nn.Sequential(*conv_bn(read, half, kernel=3, stride=stride, eps=_LARGE_EPS))
        opening = LargeOpeningUnit(branch1, branch2(read, stride), down)
        units = (ResidualUnit(branch2(half, 1)) for _ in range(stage.repeats - 1))
        return nn.Sequential(opening, *units)


class ShuffleNetV2ExLarge(ShuffleNet):
    """The network that a ``V2ExLargeSpec`` describes.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2.ExLarge/network.py; the heads
    that only its training uses are left out.
    """

    def __init__(self, spec: V2ExLargeSpec) -> None:
        inputs = [spec.stem_channels[-1], *(stage.channels for stage in spec.stages)]
        super().__init__(
            spec,
            stem=_stem(spec, 1e-5),
            pool=stem_pool(spec.stem_stride),
            stages=[
                self._stage(c, stage, spec) for c, stage in zip(inputs, spec.stages, strict=False)
            ],
            head=nn.Identity(),
            neck=nn.Identity(),
            classifier=nn.Linear(inputs[-1], spec.classes, bias=spec.classifier_bias),
            dropout=spec.dropout,
        )

    @staticmethod
    def _stage(in_channels: int, stage: Stage, spec: V2ExLargeSpec) -> nn.Sequential:
        c, half, stride = stage.channels, stage.channels // 2, stage.stride

        def branch2(read: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                *_conv_bn_relu(read, c, kernel=1),
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
