"""torchvision's quantizable V2, written anew, and files of it that torch's own quantization makes.

Its modules have the names that torchvision 0.28.0 gives them (models/shufflenetv2.py and
models/quantization/shufflenetv2.py), so that its state has the names of the published files.
"""

import warnings
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.ao import quantization as torch_quantization

__all__ = ["Quantized", "quantized_net", "save_state"]

quantization: Any = torch_quantization  # it has no types
Quantized: TypeAlias = Any  # a network of its modules

WIDTHS = {"x0_5": (48, 96, 192, 1024), "x1_0": (116, 232, 464, 1024)}


def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


class _Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.stride = stride
        first = [*_depthwise(inputs, stride), *_pointwise(inputs, half)] if stride > 1 else []
        self.branch1 = nn.Sequential(*first)
        inputs = inputs if stride > 1 else half
        second = [*_pointwise(inputs, half), *_depthwise(half, stride), *_pointwise(half, half)]
        self.branch2 = nn.Sequential(*second)
        self.cat = nn.quantized.FloatFunctional()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = (self.branch1(x), x) if self.stride > 1 else x.chunk(2, dim=1)
        x = self.cat.cat([left, self.branch2(right)], dim=1)
        n, channels, height, width = x.shape
        x = x.view(n, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        return x.view(n, channels, height, width)


class _Net(nn.Module):
    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU()]
        self.conv1 = nn.Sequential(*stem)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stage2: nn.Module
        self.stage3: nn.Module
        self.stage4: nn.Module
        inputs = 24
        for number, (channels, repeats) in enumerate(zip(widths, (4, 8, 4), strict=False), 2):
            units = [_Unit(inputs, channels, 2)]
            units += [_Unit(channels, channels, 1) for _ in range(repeats - 1)]
            self.add_module(f"stage{number}", nn.Sequential(*units))
            inputs = channels
        self.conv5 = nn.Sequential(*_pointwise(inputs, widths[-1]))
        self.fc = nn.Linear(widths[-1], classes)
        self.quant = quantization.QuantStub()
        self.dequant = quantization.DeQuantStub()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.conv1(self.quant(x)))
        for stage in (self.stage2, self.stage3, self.stage4):
            x = stage(x)
        x = self.conv5(x)
        logits: torch.Tensor = self.dequant(self.fc(x.mean([2, 3])))
        return logits

    def fuse(self) -> None:
        """Fold batch norms and ReLUs into convolutions."""
        for each in (self.conv1, self.conv5):
            quantization.fuse_modules(each, [["0", "1", "2"]], inplace=True)
        for unit in (module for module in self.modules() if isinstance(module, _Unit)):
            if unit.stride > 1:
                quantization.fuse_modules(unit.branch1, [["0", "1"], ["2", "3", "4"]], inplace=True)
            groups = [["0", "1", "2"], ["3", "4"], ["5", "6", "7"]]
            quantization.fuse_modules(unit.branch2, groups, inplace=True)


def quantized_net(
    images: torch.Tensor, *, width: str = "x0_5", classes: int = 1000, dead: float = 0.0
) -> Quantized:
    """Return a quantized network of random weights, calibrated on images ``(n, 3, h, w)``.

    Args:
        images: Batch norms are fitted to them too, so that logits differ.
        width: A key of ``WIDTHS``.
        classes: The classes.
        dead: The bias of two filters of the stem whose weights are almost 0.
    """
    torch.manual_seed(0)
    net: Quantized = _Net(WIDTHS[width], classes)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        net.train()(images)
        if dead:
            net.conv1[0].weight[:2] *= 1e-11
            net.conv1[1].running_mean[:2], net.conv1[1].bias[:2] = 0, dead
    return _quantize(net, images)


def _quantize(net: Quantized, images: torch.Tensor) -> Quantized:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that all of this is deprecated
        net.eval().fuse()
        net.qconfig = quantization.get_default_qconfig("fbgemm")
        torch.backends.quantized.engine = "fbgemm"
        quantization.prepare(net, inplace=True)
        net(images)
        quantization.convert(net, inplace=True)
    return net


def save_state(net: nn.Module, path: Path, *, zipped: bool = True) -> Path:
    """Save a network's state as the published files have it, or as older versions of torch do."""
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=zipped)
    return path
