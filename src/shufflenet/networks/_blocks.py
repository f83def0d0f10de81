"""The layers that several networks are built from."""

from collections.abc import Iterable
from typing import Literal

from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]  # public, says torch's page of it

from shufflenet.networks._inputs import check_groups
from shufflenet.spec import Activation, V1Spec, V2PlusSpec, V2Spec

__all__ = [
    "ChannelShuffle",
    "SqueezeExcite",
    "activation_layer",
    "channel_shuffle",
    "conv_bn",
    "convolutions",
    "split_even_odd",
    "stem_layers",
    "stem_pool",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` equal groups of ``x``, ``(n, c, h, w)``.

    Output channel ``i * groups + g`` is input channel ``g * (c // groups) + i``. Shuffling with
    ``c // groups`` groups undoes it.

    >>> import torch
    >>> channel_shuffle(torch.arange(6.0).reshape(1, 6, 1, 1), groups=2).flatten().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]

    Raises:
        SpecError: ``x`` has another number of axes, or ``c`` is not a multiple of ``groups``.

    Source: Zhang et al. 2017, Figure 1, https://arxiv.org/abs/1707.01083
    """
    if not is_scripting():
        check_groups(x, groups)
    n, c, h, w = x.shape
    x = x.reshape(n, groups, c // groups, h, w)
    x = x.transpose(1, 2)  # (n, c/g, g, h, w)
    return x.reshape(n, c, h, w)


def split_even_odd(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split ``(n, c, h, w)`` into its even and its odd channels, ``(n, c / 2, h, w)`` each.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2/blocks.py, channel_shuffle
    """
    return x[:, 0::2], x[:, 1::2]


def activation_layer(name: Activation) -> nn.Module:
    """Build the activation that a spec calls by this name.

    Swish is ``x * sigmoid(x)``, hard-swish ``x * clip(x + 3, 0, 6) / 6``.
    """
    kinds = {"relu": nn.ReLU, "swish": nn.SiLU, "hard-swish": nn.Hardswish}
    return kinds[name](inplace=True)


def conv_bn(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Build a convolution without bias, padded by ``kernel // 2``, and its batch norm."""
    padding = kernel // 2
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out_channels)]


def stem_layers(spec: V1Spec | V2Spec | V2PlusSpec, activation: Activation) -> nn.Sequential:
    """Build a stem of one 3x3 convolution, of stride 2 unless the stem's stride is 1."""
    stride = min(spec.stem_stride, 2)
    conv = conv_bn(spec.in_channels, spec.stem_channels, kernel=3, stride=stride)
    return nn.Sequential(*conv, activation_layer(activation))


def stem_pool(stem_stride: int) -> nn.Module:
    """Build what follows the stem's convolutions: a max pool of stride 2 if the stem's is 4."""
    return nn.MaxPool2d(3, 2, padding=1) if stem_stride == 4 else nn.Identity()


def convolutions(layers: Iterable[nn.Module]) -> list[nn.Conv2d]:
    """Return the convolutions among layers, without those inside another layer."""
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


class ChannelShuffle(nn.Module):
    """``channel_shuffle`` as a layer."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        return channel_shuffle(x, self.groups)


class SqueezeExcite(nn.Module):
    """A scale between 0 and 1 for every channel, computed from the averages of all channels.

    Args:
        channels: The channels of the input and the output.
        middle: The channels between the two 1x1 convolutions.
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
