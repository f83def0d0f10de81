"""Backbones: the feature maps of a network, dilated where they should stay large."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

from torch import Tensor, nn
from torch.nn import functional

from shufflenet.errors import SpecError
from shufflenet.networks._base import ShuffleNet, Trunk
from shufflenet.spec import NetworkSpec, SearchedStage, V1Spec, V2ExLargeSpec

__all__ = ["Backbone", "FeatureMap", "feature_maps"]


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """One map of a network for images ``(n, in_channels, h, w)``.

    Attributes:
        channels: The map is ``(n, channels, ceil(h / stride), ceil(w / stride))``.
        stride: A power of two.
        dilation: How many times smaller the map would be without dilation, which is how far
            apart the layers that make it read their pixels.
    """

    channels: int
    stride: int
    dilation: int = 1


def feature_maps(spec: NetworkSpec, output_stride: int = 32) -> tuple[FeatureMap, ...]:
    """Describe what the stem, every stage and the head make, where no stride may be larger.

    >>> from shufflenet.zoo import find_network
    >>> maps = feature_maps(find_network("shufflenet_v2_x1_0"), output_stride=16)
    >>> [(each.channels, each.stride, each.dilation) for each in maps]
    [(24, 4, 1), (116, 8, 1), (232, 16, 1), (464, 16, 2), (1024, 16, 2)]

    Args:
        spec: The network.
        output_stride: 8 or another power of two up to the network's own stride; 32, which is the
            own stride of every network of the catalogue, is allowed for all.

    Raises:
        SpecError: it is another number.
    """
    stem = spec.stem_channels if isinstance(spec.stem_channels, int) else spec.stem_channels[-1]
    maps = [FeatureMap(stem, spec.stem_stride)]
    own = spec.stem_stride
    for stage in spec.stages:
        shrinks = 2 if isinstance(stage, SearchedStage) else stage.stride
        own *= shrinks
        last = maps[-1]
        if last.stride * shrinks > output_stride:
            maps.append(FeatureMap(stage.channels, last.stride, last.dilation * shrinks))
        else:
            maps.append(FeatureMap(stage.channels, last.stride * shrinks, last.dilation))
    allowed = [2**power for power in range(3, max(32, own).bit_length())]
    if output_stride not in allowed:
        *most, largest = allowed
        raise SpecError("output_stride", output_stride, f"{', '.join(map(str, most))} or {largest}")
    if not isinstance(spec, V1Spec | V2ExLargeSpec):
        maps.append(FeatureMap(spec.head_channels, maps[-1].stride, maps[-1].dilation))
    return tuple(maps)


class Backbone(Trunk):
    """A network up to the last of the feature maps that are asked for.

    Attributes:
        out_indices: Which maps ``forward`` gives: 0 is the stem's, 1 and on are the stages', and
            the head's comes after them, but in V1 and ExLarge, which have none.
        channels: Of each map that ``forward`` gives.
        strides: How many times smaller than the image each of them is.

    Parameters bear the names that they have in the network, so that its checkpoints fit.
    """

    def __init__(
        self, net: ShuffleNet, out_indices: Sequence[int] = (1, 2, 3), *, output_stride: int = 32
    ) -> None:
        """Take over the layers of a network, which should not be used any more.

        Args:
            net: The network.
            out_indices: In any order, each at most once.
            output_stride: How many times smaller than the image a map may become. A stage that
                would shrink further keeps the size: its strides become 1, and what follows
                reads pixels twice as far apart. At every second pixel the maps are the
                undilated ones, where no squeeze and excitation averages over all pixels.

        Raises:
            SpecError: there is no such map, or the stride cannot be had.

        Source of the dilation: torchvision 0.28, models/resnet.py, replace_stride_with_dilation;
        other than there, what follows a strided layer inside its unit is dilated too (a ResNet's
        unit has nothing there that it would matter to).
        """
        plan = feature_maps(net.spec, output_stride)
        expected = f"different whole numbers from 0 to {len(plan) - 1}, such as (1, 2, 3)"
        try:
            chosen = tuple(map(index, out_indices))
        except TypeError as error:
            raise SpecError("out_indices", out_indices, expected) from error
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= {*range(len(plan))}:
            raise SpecError("out_indices", chosen, expected)
        stages = net.stages[: max(chosen)]
        has_head = max(chosen) > len(net.stages)
        super().__init__(
            net.spec,
            stem=net.conv1,
            pool=net.maxpool,
            stages=stages,
            head=net.conv5 if has_head else nn.Identity(),
        )
        self.out_indices = chosen
        self.channels = tuple(plan[number].channels for number in chosen)
        self.strides = tuple(plan[number].stride for number in chosen)
        for stage, read, made in zip(stages, plan, plan[1:], strict=False):
            opening, *others = stage
            _dilate(opening, read.dilation, made.dilation)
            for unit in others:
                _dilate(unit, made.dilation, made.dilation)
        _dilate(self.conv5, plan[-1].dilation, plan[-1].dilation)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images ``(n, in_channels, h, w)``, 32 px or more, to maps as ``out_indices`` says.

        Each is ``(n, channels, ceil(h / stride), ceil(w / stride))``.
        """
        maps = self.feature_maps(images)
        return [maps[number] for number in self.out_indices]


def _dilate(unit: nn.Module, reached: int, wanted: int) -> None:
    """Dilate a unit by ``reached`` up to the strided layer of each branch, then by ``wanted``.

    Strides become 1 where the two differ; where they do not, a unit that halves is left as it is.
    """
    for name, branch in list(unit.named_children()):
        dilation = reached
        for layer in branch.modules():
            if isinstance(layer, nn.AvgPool2d) and reached < wanted:  # V1's, a branch of its own
                setattr(unit, name, _DilatedAverage(layer, dilation))
            elif isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
                shrinks = layer.stride != (1, 1)
                layer.dilation = (dilation, dilation)
                rows, columns = layer.kernel_size
                layer.padding = (rows // 2 * dilation, columns // 2 * dilation)
                if shrinks and reached < wanted:
                    layer.stride = (1, 1)
                    dilation = wanted


class _DilatedAverage(nn.Module):
    """An average pool of stride 1 whose pixels lie apart, which ``nn.AvgPool2d`` cannot do."""

    def __init__(self, pool: nn.AvgPool2d, dilation: int) -> None:
        super().__init__()
        self.counts_padding = pool.count_include_pad
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape: 3x3 means, ``dilation`` pixels apart."""
        channels, apart = x.shape[1], self.dilation
        ones = x.new_ones(channels, 1, 3, 3)
        sums = functional.conv2d(x, ones, padding=apart, dilation=apart, groups=channels)
        if self.counts_padding:
            return sums / 9
        inside = x.new_ones(1, 1, x.shape[2], x.shape[3])
        return sums / functional.conv2d(inside, ones[:1], padding=apart, dilation=apart)
