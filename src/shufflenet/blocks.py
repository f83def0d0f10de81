"""The parts that the networks are built from."""

from typing import Literal

from torch import Tensor, nn

from shufflenet.errors import SpecError

__all__ = ["activation_layer", "channel_shuffle", "conv_bn"]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` equal groups of ``x``, ``(n, c, h, w)``.

    Output channel ``i * groups + g`` is input channel ``g * (c // groups) + i``.

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


def activation_layer(name: Literal["relu", "swish"]) -> nn.Module:
    """Make the layer that a spec calls by this name; swish is ``x * sigmoid(x)``."""
    return nn.ReLU(inplace=True) if name == "relu" else nn.SiLU(inplace=True)


def conv_bn(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Make a convolution without bias, padded by ``kernel // 2``, and its batch norm."""
    padding = kernel // 2
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out_channels)]
