"""A detector: the stages of a network, a neck that mixes their maps, and a head for each map.

Read from the top: ``Detector`` runs stages, ``_Neck`` and ``_Head``; ``Detector.forward`` decodes.

Source of the neck: path aggregation with sums, Liu et al. 2018, https://arxiv.org/abs/1803.01534,
in separable convolutions as in NanoDet (github.com/RangiLyu/nanodet, nanodet/model/fpn). Source of
the head: no anchors, as in FCOS, Tian et al. 2019, https://arxiv.org/abs/1904.01355; distances as
distributions, and scores that say how good a box is, from Li et al. 2020,
https://arxiv.org/abs/2006.04388
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from shufflenet.networks._base import ShuffleNet, Trunk
from shufflenet.networks._blocks import conv_bn
from shufflenet.networks._build import build
from shufflenet.networks._inputs import check_size
from shufflenet.spec import STRIDES, Card, DetectorSpec, NetworkSpec

__all__ = ["AnyNetwork", "Detector", "build_detector", "cell_centers"]

_FIRST_SCORE = 0.01  # of every class in a new head, lest the many empty cells swamp a loss


class Detector(Trunk):
    """A network that finds boxes.

    Its stem and stages have the names that they have in the classifier, so that its weights load.

    Attributes:
        spec: The network whose stages it has; ``classes`` are those of boxes.
        detector: What is put on them.
    """

    def __init__(self, net: ShuffleNet, detector: DetectorSpec) -> None:
        """Use the stem and the stages of a network, which must not be used any more.

        Raises:
            SpecError: the maps of its last stages do not have the strides 8, 16 and 32.
        """
        spec = net.spec
        detector.check_network(spec)
        super().__init__(
            spec, stem=net.conv1, pool=net.maxpool, stages=net.stages, head=nn.Identity()
        )
        self.detector = detector
        self.neck = _Neck(
            [stage.channels for stage in spec.stages[-len(STRIDES) :]], detector.neck_channels
        )
        self.heads = nn.ModuleList(_Head(spec.classes, detector) for _ in STRIDES)
        self.started_from: Card | None = None  # of the checkpoint that its weights began with

    if TYPE_CHECKING:  # nn.Module's returns Any

        def __call__(self, images: Tensor) -> Tensor:
            """Run ``forward`` and the hooks."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)`` to boxes and scores, ``(n, cells, 4 + classes)``.

        Sizes are multiples of 32. Of each cell they are left, top, right and bottom in pixels of
        the input, and the score of each class, 0 to 1. They are float32 for networks in half
        precision, which knows no half pixels from 256 on.
        """
        outputs = self.outputs(images)
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        boxes = self.boxes(outputs, images.shape[2], images.shape[3])
        return torch.cat((boxes, outputs[..., : self.spec.classes].sigmoid()), dim=2)

    def outputs(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)`` to logits, ``(n, cells, classes + 4 * bins)``.

        Those of classes come first, then those of the distances to left, top, right and bottom.
        Cells are those of stride 8, row by row, then of 16 and 32.
        """
        maps = zip(self.heads, self.neck_maps(images), strict=True)
        found = [head(each).flatten(2) for head, each in maps]
        return torch.cat(found, dim=2).transpose(1, 2)

    def neck_maps(self, images: Tensor) -> list[Tensor]:
        """Map images ``(n, in_channels, h, w)`` to what the heads read, finest first.

        They are ``(n, neck_channels, h / s, w / s)`` for the strides ``s``.

        Raises:
            SpecError: images have another shape, are no floats, or a side is no multiple of 32.
        """
        every = self.feature_maps(images)
        check_size(images, self.detector)
        maps: list[Tensor] = self.neck(every[-len(STRIDES) :])
        return maps

    def boxes(self, outputs: Tensor, height: int, width: int) -> Tensor:
        """Return the boxes of logits, ``(n, cells, 4)``, in pixels of an input of that size.

        The distance of a side from its cell's center is the expectation of the distribution that a
        softmax makes of the side's logits, times the cell's stride.
        """
        n, cells, _ = outputs.shape
        logits = outputs[..., self.spec.classes :].reshape(n, cells, 4, self.detector.bins)
        bins = torch.arange(self.detector.bins, dtype=outputs.dtype, device=outputs.device)
        centers = cell_centers(height, width).to(outputs)
        sides = (logits.softmax(dim=3) * bins).sum(dim=3) * centers[:, 2:]
        middles = centers[:, :2]
        return torch.cat((middles - sides[..., :2], middles + sides[..., 2:]), dim=2)


AnyNetwork: TypeAlias = ShuffleNet | Detector


def build_detector(spec: NetworkSpec, detector: DetectorSpec) -> Detector:
    """Build a detector with random weights, in training mode.

    Args:
        spec: The network whose stages it has, and the classes of boxes.
        detector: What is put on them.

    Raises:
        SpecError: the maps of its last stages do not have the strides 8, 16 and 32.
    """
    return Detector(build(spec), detector)


def cell_centers(height: int, width: int) -> Tensor:
    """Return the center of every cell of an input, x and y in pixels, and its stride.

    Args:
        height: The height of the input in pixels, a multiple of 32.
        width: Its width.

    Returns:
        Floats ``(cells, 3)`` in the order of ``Detector.outputs``.

    >>> cell_centers(32, 32)[15:18].tolist()
    [[28.0, 28.0, 8.0], [8.0, 8.0, 16.0], [24.0, 8.0, 16.0]]
    """
    centers = []
    for stride in STRIDES:
        y = (torch.arange(height // stride) + 0.5) * stride
        x = (torch.arange(width // stride) + 0.5) * stride
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        strides = torch.full_like(rows, stride)
        centers.append(torch.stack((columns, rows, strides), dim=2).reshape(-1, 3))
    return torch.cat(centers)


class _Neck(nn.Module):
    """Mixes the maps of three stages: downwards, from coarse to fine, then upwards."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(_pointwise(width, channels) for width in widths)
        self.down = nn.ModuleList(_separable(channels) for _ in widths[1:])
        self.shrink = nn.ModuleList(_separable(channels, stride=2) for _ in widths[1:])
        self.up = nn.ModuleList(_separable(channels) for _ in widths[1:])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map the stages' maps to as many of ``channels`` channels and the same sizes."""
        fine, middle, coarse = (
            lateral(each) for lateral, each in zip(self.laterals, maps, strict=True)
        )
        middle = self.down[0](middle + functional.interpolate(coarse, scale_factor=2.0))
        fine = self.down[1](fine + functional.interpolate(middle, scale_factor=2.0))
        middle = self.up[0](middle + self.shrink[0](fine))
        coarse = self.up[1](coarse + self.shrink[1](middle))
        return [fine, middle, coarse]


class _Head(nn.Module):
    """Computes classes and distances from one map."""

    def __init__(self, classes: int, detector: DetectorSpec) -> None:
        super().__init__()
        channels = detector.neck_channels
        self.layers = nn.Sequential(*(_separable(channels) for _ in range(detector.head_layers)))
        self.output = nn.Conv2d(channels, classes + 4 * detector.bins, 1)
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]  # it has one
        nn.init.constant_(self.output.bias[:classes], math.log(_FIRST_SCORE / (1 - _FIRST_SCORE)))  # type: ignore[index]  # it has one

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, h, w)`` to logits ``(n, classes + 4 * bins, h, w)``."""
        result: Tensor = self.output(self.layers(x))
        return result


def _pointwise(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(*conv_bn(in_channels, out_channels, kernel=1), nn.ReLU(inplace=True))


def _separable(channels: int, stride: int = 1) -> nn.Sequential:
    """Build a depthwise 3x3 and a 1x1 convolution, each with its norm, and an activation."""
    return nn.Sequential(
        *conv_bn(channels, channels, kernel=3, stride=stride, groups=channels),
        *conv_bn(channels, channels, kernel=1),
        nn.ReLU(inplace=True),
    )
