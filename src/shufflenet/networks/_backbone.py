"""Backbones: the feature maps of a network, dilated to keep them large."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from shufflenet.errors import SpecError
from shufflenet.networks._base import ShuffleNet, Trunk
from shufflenet.spec import NetworkSpec, SearchedStage, Stage

__all__ = ["Backbone", "FeatureMap", "feature_maps"]


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """The shape of a feature map of images ``(n, in_channels, h, w)``.

    Attributes:
        channels: The map is ``(n, channels, ceil(h / stride), ceil(w / stride))``.
        stride: A power of two.
        dilation: The dilation of the layers that compute the map; without dilation it would be
            this many times smaller.
    """

    channels: int
    stride: int
    dilation: int = 1


def feature_maps(spec: NetworkSpec, output_stride: int = 32) -> tuple[FeatureMap, ...]:
    """Return the shapes of the feature maps: of the stem, every stage and, if any, the head.

    >>> from shufflenet.zoo import find_network
    >>> maps = feature_maps(find_network("shufflenet_v2_x1_0"), output_stride=16)
    >>> [(each.channels, each.stride, each.dilation) for each in maps]
    [(24, 4, 1), (116, 8, 1), (232, 16, 1), (464, 16, 2), (1024, 16, 2)]

    Args:
        spec: The network.
        output_stride: The largest stride of a map: 8 or another power of two up to the stride of
            the network's last map. 32, the stride of every network of the catalog, is allowed
            for all.

    Raises:
        SpecError: ``output_stride`` is another number.
    """
    maps = [FeatureMap(spec.stem_widths[-1], spec.stem_stride)]
    undilated = spec.stem_stride  # the stride of the last map without dilation
    stages: tuple[Stage | SearchedStage, ...] = spec.stages
    for stage in stages:
        undilated *= stage.stride
        last = maps[-1]
        if last.stride * stage.stride > output_stride:
            maps.append(FeatureMap(stage.channels, last.stride, last.dilation * stage.stride))
        else:
            maps.append(FeatureMap(stage.channels, last.stride * stage.stride, last.dilation))
    allowed = [2**power for power in range(3, max(32, undilated).bit_length())]
    if output_stride not in allowed:
        *most, largest = allowed
        raise SpecError("output_stride", output_stride, f"{', '.join(map(str, most))} or {largest}")
    if spec.head_channels:
        maps.append(FeatureMap(spec.head_channels, maps[-1].stride, maps[-1].dilation))
    return tuple(maps)


class Backbone(Trunk):
    """A network up to the last feature map that ``forward`` returns.

    Attributes:
        out_indices: The maps that ``forward`` returns: 0 is the stem's, 1 and on are the stages',
            and the last is the head's, which V1 and ExLarge lack.
        channels: The channels of each map that ``forward`` returns.
        strides: How many times smaller than the image each of them is.

    Parameters have the names that they have in the network, so that its checkpoints load.
    """

    def __init__(
        self, net: ShuffleNet, out_indices: Sequence[int] = (1, 2, 3), *, output_stride: int = 32
    ) -> None:
        """Use the layers of a network, which must not be used any more.

        Args:
            net: The network.
            out_indices: In any order, each at most once; negative ones count from the last map.
            output_stride: The largest stride of a map. A stage that would exceed it keeps the
                size: its strides become 1, and the convolutions after it have twice the
                dilation. At every second pixel the maps equal the undilated ones, except where
                squeeze and excitation averages over all pixels.

        Raises:
            SpecError: there is no such map, or ``output_stride`` is not allowed.

        Source of the dilation: torchvision 0.28, models/resnet.py, replace_stride_with_dilation.
        Unlike there, the layers after a strided one in its unit are dilated too: a ResNet's unit
        has only a 1x1 convolution there, for which dilation makes no difference.
        """
        maps = feature_maps(net.spec, output_stride)
        chosen = _check_indices(out_indices, len(maps))
        stages = net.stages[: max(chosen)]
        has_head = max(chosen) > len(net.stages)
        head = net.conv5 if has_head else nn.Identity()
        super().__init__(net.spec, stem=net.conv1, pool=net.maxpool, stages=stages, head=head)
        self.out_indices = chosen
        self.channels = tuple(maps[number].channels for number in chosen)
        self.strides = tuple(maps[number].stride for number in chosen)
        for stage, source, target in zip(stages, maps, maps[1:], strict=False):
            opening, *others = stage
            _dilate(opening, source.dilation, target.dilation)
            for unit in others:
                _dilate(unit, target.dilation, target.dilation)
        _dilate(self.conv5, maps[-1].dilation, maps[-1].dilation)

    if TYPE_CHECKING:  # nn.Module's returns Any

        def __call__(self, images: Tensor) -> list[Tensor]:
            """Run ``forward`` and the hooks."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images ``(n, in_channels, h, w)``, 32 px or more, to the maps of ``out_indices``.

        Each is ``(n, channels, ceil(h / stride), ceil(w / stride))``.
        """
        maps = self.feature_maps(images)
        return [maps[number] for number in self.out_indices]


def _check_indices(out_indices: Sequence[int], maps: int) -> tuple[int, ...]:
    """Return the indices as a tuple of numbers from 0; -1 is the last map.

    Raises:
        SpecError: they do not name different maps of the ``maps`` that there are.
    """
    expected = f"different whole numbers from 0 to {maps - 1}, such as (1, 2, 3)"
    try:
        given = tuple(map(index, out_indices))
    except TypeError as error:
        raise SpecError("out_indices", out_indices, expected) from error
    chosen = tuple(number + maps if number < 0 else number for number in given)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= {*range(maps)}:
        raise SpecError("out_indices", given, expected)
    return chosen


def _dilate(unit: nn.Module, before: int, after: int) -> None:
    """Dilate each branch of a unit by ``before`` up to its strided layer, then by ``after``.

    If the two differ, strides become 1; if they are equal, strides stay.
    """
    for name, branch in list(unit.named_children()):
        dilation = before
        for layer in branch.modules():
            if isinstance(layer, nn.AvgPool2d) and before < after:  # V1's, a branch of its own
                setattr(unit, name, _DilatedAverage(layer, dilation))
            elif isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
                strided = layer.stride != (1, 1)
                layer.dilation = (dilation, dilation)
                rows, columns = layer.kernel_size
                layer.padding = (rows // 2 * dilation, columns // 2 * dilation)
                if strided and before < after:
                    layer.stride = (1, 1)
                    dilation = after


class _DilatedAverage(nn.Module):
    """A dilated 3x3 average pool of stride 1; ``nn.AvgPool2d`` has no dilation."""

    def __init__(self, pool: nn.AvgPool2d, dilation: int) -> None:
        super().__init__()
        self.counts_padding = pool.count_include_pad
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        channels, dilation = x.shape[1], self.dilation
        ones = x.new_ones([channels, 1, 3, 3])
        sums = functional.conv2d(x, ones, padding=dilation, dilation=dilation, groups=channels)
        if self.counts_padding:
            return sums / 9
        inside = x.new_ones([1, 1, x.shape[2], x.shape[3]])
        return sums / functional.conv2d(inside, ones[:1], padding=dilation, dilation=dilation)
