"""ShuffleNet V1: its unit, its stages and the network; ``_base`` has ``forward``."""

import torch
from torch import Tensor, nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import ChannelShuffle, conv_bn, stem_layers
from shufflenet.spec import Stage, V1Spec

__all__ = ["ShuffleNetV1", "V1Unit"]


class V1Unit(nn.Module):
    """Grouped 1x1, depthwise 3x3, shuffle, grouped 1x1, and the input added or concatenated.

    A unit with more output than input channels opens a stage (Figure 2c): it concatenates the
    average-pooled input. The others (Figure 2b) add their input.

    The shuffle follows the depthwise convolution, as in Megvii's and MMPretrain's code; the paper
    has it before, which is the same function with the rows of the depthwise weights permuted.
    """

    def __init__(
        self, in_channels: int, channels: int, spec: V1Spec, *, stride: int = 1, first: bool = False
    ) -> None:
        """Build the unit; the ``first`` of the network may have an ungrouped 1x1 convolution."""
        super().__init__()
        opens = channels > in_channels
        convolved = channels - in_channels if opens else channels
        middle = spec.middle(channels, convolved)
        groups = spec.groups
        first_groups = 1 if first and not spec.first_grouped else groups
        self.pw1 = nn.Sequential(
            *conv_bn(in_channels, middle, kernel=1, groups=first_groups), nn.ReLU(inplace=True)
        )
        self.dw = nn.Sequential(*conv_bn(middle, middle, kernel=3, stride=stride, groups=middle))
        self.pw2 = nn.Sequential(*conv_bn(middle, convolved, kernel=1, groups=groups))
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
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        convolved = self.pw2(self.shuffle(self.dw(self.pw1(x))))
        if self.pool is None:
            return torch.relu(x + convolved)
        pooled = self.pool(x)
        both = [pooled, convolved] if self.pooled_first else [convolved, pooled]
        return torch.relu(torch.cat(both, dim=1))


def _stage(in_channels: int, stage: Stage, spec: V1Spec, *, first: bool) -> nn.Sequential:
    c = stage.channels
    opening = V1Unit(in_channels, c, spec, stride=stage.stride, first=first)
    return nn.Sequential(opening, *(V1Unit(c, c, spec) for _ in range(stage.repeats - 1)))


class ShuffleNetV1(ShuffleNet):
    """The network that a ``V1Spec`` describes.

    Source: Zhang et al. 2017, Table 1, https://arxiv.org/abs/1707.01083
    """

    def __init__(self, spec: V1Spec) -> None:
        inputs = zip(spec.stage_inputs, spec.stages, strict=True)
        super().__init__(
            spec,
            stem=stem_layers(spec, "relu"),
            stages=[_stage(c, stage, spec, first=n == 0) for n, (c, stage) in enumerate(inputs)],
        )
