"""Convolutions that pad small maps themselves."""

import copy

import pytest
import torch
from torch import nn

from shufflenet.train._pad_small_maps import PaddedConv2d, pad_small_maps
from tolerance import FLOAT64_RELATIVE


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 7), (3, 3), (6, 5)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1)])
def test_values_and_gradients_are_those_of_the_convolution(
    size: tuple[int, int], kernel: int, stride: int
) -> None:
    conv = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6).double()
    padded = nn.Sequential(copy.deepcopy(conv))
    pad_small_maps(padded)
    assert isinstance(padded[0], PaddedConv2d)
    images = torch.randn(2, 6, *size, dtype=torch.float64)
    found, expected = padded(images), conv(images)
    weights = torch.randn_like(expected)
    for value in (found, expected):
        (value * weights).sum().backward()
    assert found.shape == expected.shape
    for one, other in ((found, expected), (padded[0].weight.grad, conv.weight.grad)):
        assert one is not None
        assert other is not None
        assert float((one - other).abs().max()) <= FLOAT64_RELATIVE * float(other.abs().max() + 1)


def test_only_depthwise_convolutions_change() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3))
    pad_small_maps(net)
    assert [type(layer) is PaddedConv2d for layer in net] == [False, True, False]
