"""ShuffleNet V2, all of it. Attributes bear the key names of torchvision's checkpoints."""

import torch
from torch import Tensor, nn

from shufflenet.blocks import activation_layer, channel_shuffle, conv_bn
from shufflenet.spec import Stage, V2Spec

__all__ = ["HalveUnit", "KeepUnit", "ShuffleNetV2"]


class KeepUnit(nn.Module):
    """Figure 3c: half of the channels pass untouched, the others are convolved; then shuffle."""

    def __init__(self, channels: int, spec: V2Spec) -> None:
        super().__init__()
        half = channels // 2
        self.branch2 = nn.Sequential(
            *conv_bn(half, half, kernel=1),
            activation_layer(spec.activation),
            *conv_bn(half, half, kernel=3, groups=half),
            *conv_bn(half, half, kernel=1),
            activation_layer(spec.activation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        kept, worked = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat((kept, self.branch2(worked)), dim=1), groups=2)


class HalveUnit(nn.Module):
    """Figure 3d: both branches see every channel and halve height and width; then shuffle."""

    def __init__(self, in_channels: int, channels: int, spec: V2Spec) -> None:
        super().__init__()
        half = channels // 2
        self.branch1 = nn.Sequential(
            *conv_bn(in_channels, in_channels, kernel=3, stride=2, groups=in_channels),
            *conv_bn(in_channels, half, kernel=1),
            activation_layer(spec.activation),
        )
        self.branch2 = nn.Sequential(
            *conv_bn(in_channels, half, kernel=1),
            activation_layer(spec.activation),
            *conv_bn(half, half, kernel=3, stride=2, groups=half),
            *conv_bn(half, half, kernel=1),
            activation_layer(spec.activation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / 2, w / 2)``, sizes rounded up."""
        return channel_shuffle(torch.cat((self.branch1(x), self.branch2(x)), dim=1), groups=2)


def _stage(in_channels: int, stage: Stage, spec: V2Spec) -> nn.Sequential:
    keep = (KeepUnit(stage.channels, spec) for _ in range(stage.repeats - 1))
    return nn.Sequential(HalveUnit(in_channels, stage.channels, spec), *keep)


class ShuffleNetV2(nn.Module):
    """The network that a ``V2Spec`` describes.

    Source: Ma et al. 2018, Table 5 and Figure 3, https://arxiv.org/abs/1807.11164; the key
    names are those of torchvision 0.28, models/shufflenetv2.py.
    """

    def __init__(self, spec: V2Spec) -> None:
        super().__init__()
        self.spec = spec
        stem_stride = 1 if spec.stem_stride == 1 else 2
        self.conv1 = nn.Sequential(
            *conv_bn(spec.in_channels, spec.stem_channels, kernel=3, stride=stem_stride),
            activation_layer(spec.activation),
        )
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if spec.stem_stride == 4 else nn.Identity()
        inputs = [spec.stem_channels, *(stage.channels for stage in spec.stages)]
        for number, (in_channels, stage) in enumerate(zip(inputs, spec.stages, strict=False), 2):
            self.add_module(f"stage{number}", _stage(in_channels, stage, spec))
        self.conv5 = nn.Sequential(
            *conv_bn(inputs[-1], spec.head_channels, kernel=1), activation_layer(spec.activation)
        )
        self.fc = nn.Linear(spec.head_channels, spec.classes)

    @property
    def stages(self) -> list[nn.Sequential]:
        """The stages in order; the paper counts them from 2."""
        numbers = range(2, 2 + len(self.spec.stages))
        return [self.get_submodule(f"stage{number}") for number in numbers]  # type: ignore[misc]  # _stage made them

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)``, 32 px or more, to logits ``(n, classes)``."""
        x = self.maxpool(self.conv1(images))
        for stage in self.stages:
            x = stage(x)
        x = self.conv5(x).mean(dim=(2, 3))  # (n, head_channels)
        logits: Tensor = self.fc(x)
        return logits
