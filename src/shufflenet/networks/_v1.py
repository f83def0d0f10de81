"""ShuffleNet V1, all of it."""

import torch
from torch import Tensor, nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import ChannelShuffle, conv_bn, stem_layers
from shufflenet.spec import Stage, V1Spec

__all__ = ["ShuffleNetV1", "V1Unit"]


class V1Unit(nn.Module):
    """Figure 2b and 2c: grouped 1x1, depthwise 3x3, shuffle, grouped 1x1, and what came in.

    The shuffle stands behind the depthwise convolution, as in Megvii's and MMPretrain's code; the
    paper's place before it is the same function with the depthwise rows in another order.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        spec: V1Spec,
        *,
        stride: int,
        opens: bool,
        first: bool,
    ) -> None:
        super().__init__()
        made = channels - in_channels if opens else channels
        middle = spec.middle(channels, made)
        groups = spec.groups
        first_groups = 1 if first and not spec.first_grouped else groups
        self.pw1 = nn.Sequential(
            *conv_bn(in_channels, middle, kernel=1, groups=first_groups), nn.ReLU(inplace=True)
        )
        self.dw = nn.Sequential(*conv_bn(middle, middle, kernel=3, stride=stride, groups=middle))
        self.pw2 = nn.Sequential(*conv_bn(middle, made, kernel=1, groups=groups))
        self.shuffle: nn.Module = ChannelShuffle(
            groups if spec.shuffle == "standard" else middle // groups
        )
        self.pooled_first = spec.pooled_first
        self.pool = (
            nn.AvgPool2d(3, stride, padding=1, count_include_pad=spec.pool_counts_padding)
            if opens
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape, or to more channels at a smaller size."""
        made = self.pw2(self.shuffle(self.dw(self.pw1(x))))
        if self.pool is None:
            return torch.relu(x + made)
        pooled = self.pool(x)
        both = (pooled, made) if self.pooled_first else (made, pooled)
        return torch.relu(torch.cat(both, dim=1))


def _stage(in_channels: int, stage: Stage, spec: V1Spec, *, first: bool) -> nn.Sequential:
    c = stage.channels
    opening = V1Unit(in_channels, c, spec, stride=stage.stride, opens=True, first=first)
    units = (
        V1Unit(c, c, spec, stride=1, opens=False, first=False) for _ in range(stage.repeats - 1)
    )
    return nn.Sequential(opening, *units)


class ShuffleNetV1(ShuffleNet):
    """The network that a ``V1Spec`` describes.

    Source: Zhang et al. 2017, Table 1, https://arxiv.org/abs/1707.01083
    """

    def __init__(self, spec: V1Spec) -> None:
        stem, pool = stem_layers(spec.in_channels, spec.stem_channels, spec.stem_stride, "relu")
        inputs = [spec.stem_channels, *(stage.channels for stage in spec.stages)]
        super().__init__(
            spec,
            stem=stem,
            pool=pool,
            stages=[
                _stage(in_channels, stage, spec, first=number == 0)
                for number, (in_channels, stage) in enumerate(
                    zip(inputs, spec.stages, strict=False)
                )
            ],
            head=nn.Identity(),
            neck=nn.Identity(),
            classifier=nn.Linear(inputs[-1], spec.classes, bias=spec.classifier_bias),
        )
