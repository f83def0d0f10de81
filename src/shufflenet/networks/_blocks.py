"""The parts that the networks are built from."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from shufflenet.errors import SpecError
from shufflenet.spec import Activation, Split

__all__ = [
    "ChannelShuffle",
    "KeepUnit",
    "OpeningUnit",
    "SqueezeExcite",
    "activation_layer",
    "bottleneck",
    "branches",
    "channel_shuffle",
    "conv_bn",
    "convolutions",
    "even_odd",
    "projection",
    "stem_layers",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` equal groups of ``x``, ``(n, c, h, w)``.

    Output channel ``i * groups + g`` is input channel ``g * (c // groups) + i``. Shuffling with
    ``c // groups`` groups undoes it.

    >>> import torch
    >>> channel_shuffle(torch.arange(6.0).reshape(1, 6, 1, 1), groups=2).flatten().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]

    Raises:
        SpecError: ``c`` is not a multiple of ``groups``.

    Source: Zhang et al. 2017, Figure 1, https://arxiv.org/abs/1707.01083
    """
    n, c, h, w = x.shape
    if c % groups:
        raise SpecError("groups", groups, f"a divisor of the {c} channels")
    x = x.reshape(n, groups, c // groups, h, w)
    x = x.transpose(1, 2)  # (n, c/g, g, h, w)
    return x.reshape(n, c, h, w)


def even_odd(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split ``(n, c, h, w)`` into its even and its odd channels, ``(n, c / 2, h, w)`` each.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2/blocks.py, channel_shuffle
    """
    return x[:, 0::2], x[:, 1::2]


def activation_layer(name: Activation) -> nn.Module:
    """Make the layer that a spec calls by this name.

    Swish is ``x * sigmoid(x)``, hard-swish ``x * clip(x + 3, 0, 6) / 6``.
    """
    kinds = {"relu": nn.ReLU, "swish": nn.SiLU, "hard-swish": nn.Hardswish}
    return kinds[name](inplace=True)


def conv_bn(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    eps: float = 1e-5,
) -> list[nn.Module]:
    """Make a convolution without bias, padded by ``kernel // 2``, and its batch norm."""
    padding = kernel // 2
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out_channels, eps)]


def stem_layers(
    in_channels: int, channels: int, stem_stride: int, activation: Activation
) -> tuple[nn.Sequential, nn.Module]:
    """Make the convolution and the pool that together shrink an image by 4, 2 or 1."""
    conv = conv_bn(in_channels, channels, kernel=3, stride=min(stem_stride, 2))
    return nn.Sequential(*conv, activation_layer(activation)), stem_pool(stem_stride)


def stem_pool(stem_stride: int) -> nn.Module:
    """Make the max pool that halves once more, where the stem shrinks by 4."""
    return nn.MaxPool2d(3, 2, padding=1) if stem_stride == 4 else nn.Identity()


def projection(
    in_channels: int, out_channels: int, *, kernel: int, stride: int, activation: Activation
) -> nn.Sequential:
    """Make the first branch of a unit that opens a stage: depthwise, then 1x1."""
    return nn.Sequential(
        *conv_bn(in_channels, in_channels, kernel=kernel, stride=stride, groups=in_channels),
        *conv_bn(in_channels, out_channels, kernel=1),
        activation_layer(activation),
    )


def bottleneck(
    in_channels: int,
    middle: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int,
    activation: Activation,
) -> nn.Sequential:
    """Make the branch that transforms: 1x1, depthwise, 1x1."""
    return nn.Sequential(
        *conv_bn(in_channels, middle, kernel=1),
        activation_layer(activation),
        *conv_bn(middle, middle, kernel=kernel, stride=stride, groups=middle),
        *conv_bn(middle, out_channels, kernel=1),
        activation_layer(activation),
    )


class ChannelShuffle(nn.Module):
    """``channel_shuffle`` as a layer."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        return channel_shuffle(x, self.groups)


class KeepUnit(nn.Module):
    """Figure 3c: half of the channels pass untouched, the others are transformed."""

    def __init__(self, branch2: nn.Sequential, split: Split) -> None:
        super().__init__()
        self.branch2 = branch2
        self.split = split

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        if self.split == "even-odd":
            kept, worked = even_odd(x)
            return torch.cat((kept, self.branch2(worked)), dim=1)
        kept, worked = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat((kept, self.branch2(worked)), dim=1), groups=2)


class OpeningUnit(nn.Module):
    """Figure 3d: both branches see every channel and shrink height and width."""

    def __init__(self, branch1: nn.Sequential, branch2: nn.Sequential, split: Split) -> None:
        super().__init__()
        self.branch1 = branch1
        self.branch2 = branch2
        self.split = split

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, channels, h / stride, w / stride)``, sizes rounded up."""
        made = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return made if self.split == "even-odd" else channel_shuffle(made, groups=2)


def convolutions(layers: Iterable[nn.Module]) -> list[nn.Conv2d]:
    """List the convolutions among layers; those inside another layer do not count."""
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


def branches(stage: nn.Sequential) -> tuple[list[nn.Sequential], Split]:
    """List the branches of a stage: two of the unit that opens it, one of each that keeps."""
    found: list[nn.Sequential] = []
    split: Split = "halves"
    for unit in stage:
        if isinstance(unit, OpeningUnit):
            found += [unit.branch1, unit.branch2]
            split = unit.split
        if isinstance(unit, KeepUnit):
            found.append(unit.branch2)
    return found, split


class SqueezeExcite(nn.Module):
    """Scale every channel by a number between 0 and 1 that all channels' averages decide.

    Args:
        channels: Of the input and the output.
        middle: Between the two 1x1 convolutions.
        gate: ``hard-sigmoid`` with a batch norm in the middle and no biases (V2+), or ``sigmoid``
            with biases and no batch norm (Large and ExLarge).

    Source: Hu et al. 2018, https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self, channels: int, middle: int, gate: Literal["hard-sigmoid", "sigmoid"]
    ) -> None:
        super().__init__()
        plain = gate == "sigmoid"
        self.squeeze = nn.Sequential(
            nn.Conv2d(channels, middle, 1, bias=plain),
            *([] if plain else [nn.BatchNorm2d(middle)]),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, channels, 1, bias=plain),
        )
        self.gate = nn.Sigmoid() if plain else nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, h, w)`` to the same shape."""
        scale: Tensor = self.gate(self.squeeze(x.mean(dim=(2, 3), keepdim=True)))
        return x * scale
