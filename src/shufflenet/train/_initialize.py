"""The random weights that other projects start from."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from shufflenet.networks import ShuffleNet, SqueezeExcite
from shufflenet.recipes import Initialization

__all__ = ["initialize"]

_Fill: TypeAlias = Callable[[Tensor, torch.Generator], object]


@torch.no_grad()
def initialize(net: ShuffleNet, kind: Initialization, generator: torch.Generator) -> None:
    """Fill a new network with the random weights that a project starts from.

    Those of ``torchvision``, which are torch's, the network has already. In those of ``megvii``
    weights of convolutions are normal with a standard deviation of 1 by the number of their input
    channels, 0.01 in the first and in squeeze and excite; those of the classifier and of other
    linear layers of 0.01; biases of batch norms are 1e-4, those of other layers 0. ``mmpretrain``
    means the same, but biases of batch norms are 0, for its call that sets them has no effect. In
    those of ``paddleclas`` weights of convolutions are He's (normal, for ReLU, by what goes in),
    those of linear layers Glorot's (uniform), and all biases are 0.

    Sources: megvii-model/ShuffleNet-Series at a96672f, ShuffleNetV2+/network.py and the other
    networks' (``_initialize_weights``); open-mmlab/mmpretrain at 9fe593e, models/backbones/
    shufflenet_v2.py (``init_weights``) and models/heads/linear_head.py; PaddlePaddle/PaddleClas at
    07fab6b, ppcls/arch/backbone/model_zoo/shufflenet_v2.py, whose linear layer has Paddle's
    default; PaddlePaddle/Paddle at 026e2ec, python/paddle/nn/initializer/kaiming.py

    Args:
        net: The network; its batch norms have scales and variances of 1 and means of 0 already.
        kind: Whose weights.
        generator: Where they are drawn from.
    """
    if kind == "torchvision":
        return
    small = {module for each in _small(net) for module in each.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            is_small = isinstance(module, nn.Linear) or module in small
            fill = _paddle(module) if kind == "paddleclas" else _megvii(module, is_small=is_small)
            fill(module.weight, generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.bias.fill_(1e-4 if kind == "megvii" else 0.0)


def _small(net: ShuffleNet) -> list[nn.Module]:
    """Return the parts whose convolutions start with weights of 0.01."""
    return [net.conv1, *(m for m in net.modules() if isinstance(m, SqueezeExcite))]


def _megvii(layer: nn.Conv2d | nn.Linear, *, is_small: bool) -> _Fill:
    std = 0.01 if is_small else 1 / layer.weight.shape[1]
    return lambda weight, generator: weight.normal_(0, std, generator=generator)


def _paddle(layer: nn.Conv2d | nn.Linear) -> _Fill:
    if isinstance(layer, nn.Linear):
        limit = math.sqrt(6 / (layer.in_features + layer.out_features))
        return lambda weight, generator: weight.uniform_(-limit, limit, generator=generator)
    std = math.sqrt(2 / layer.weight[0].numel())
    return lambda weight, generator: weight.normal_(0, std, generator=generator)
