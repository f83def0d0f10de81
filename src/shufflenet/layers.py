"""What a network computes, layer by layer, known from its spec alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from shufflenet.spec import (
    NetworkSpec,
    SearchedStage,
    Stage,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)

__all__ = ["Layer", "layers"]

Size = tuple[int, int]  # height, width

_NORM, _BIAS, _PLAIN = 2, 1, 0  # numbers a channel besides the weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution or a linear layer, with its batch norm or its bias, and the sizes it works at.

    ``extras`` is how many numbers it has for each output channel besides its weights: 2 for a batch
    norm's scale and shift, 1 for a bias.
    """

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    groups: int
    in_size: Size
    out_size: Size
    extras: int

    @property
    def weights(self) -> int:
        """How many numbers the kernel holds."""
        return self.out_channels * self.in_channels // self.groups * self.kernel**2

    @property
    def parameters(self) -> int:
        """Weights, and the batch norm's scale and shift or the bias."""
        return self.weights + self.out_channels * self.extras

    @property
    def multiply_adds(self) -> int:
        """Multiplications of a weight and a value, each with its addition; norms are folded."""
        return self.weights * self.out_size[0] * self.out_size[1]

    @property
    def memory_access(self) -> int:
        """How many numbers are read and written: input, output and weights, each once.

        Source: Ma et al. 2018, section 2, G1, equation 1 for a 1x1 convolution
        """
        height, width = self.in_size
        read = self.in_channels * height * width
        written = self.out_channels * self.out_size[0] * self.out_size[1]
        return read + written + self.weights

    @property
    def memory_access_bytes(self) -> int:
        """The same in bytes of float32.

        >>> size = (56, 56)
        >>> layer = Layer(name="", in_channels=24, out_channels=58, kernel=1, groups=1,
        ...               in_size=size, out_size=size, extras=2)
        >>> layer.memory_access_bytes == 4 * (56 * 56 * (24 + 58) + 24 * 58)
        True
        """
        return 4 * self.memory_access


def layers(spec: NetworkSpec, height: int, width: int) -> Iterator[Layer]:
    """List the layers of a network by the names of its modules, for an image of this size.

    Yields:
        The convolutions in the order of computation, then the classifier.
    """
    size = (height, width)
    stem = spec.stem_channels if isinstance(spec.stem_channels, tuple) else (spec.stem_channels,)
    for number, (read, made) in enumerate(pairwise((spec.in_channels, *stem))):
        out = _shrunk(size, 2 if spec.stem_stride > 1 and number == 0 else 1)
        yield _layer(f"conv1.{3 * number}", read, made, size, out, kernel=3)
        size = out
    size = _shrunk(size, 2 if spec.stem_stride == 4 else 1)
    channels = stem[-1]
    stages: tuple[Stage | SearchedStage, ...] = spec.stages
    for number, stage in enumerate(stages, 2):
        yield from _stage(f"stage{number}", channels, stage, size, spec, first=number == 2)
        size = _shrunk(size, stage.stride if isinstance(stage, Stage) else 2)
        channels = stage.channels
    yield from _head(channels, size, spec)


def _shrunk(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)


def _stage(
    name: str,
    in_channels: int,
    stage: Stage | SearchedStage,
    size: Size,
    spec: NetworkSpec,
    *,
    first: bool,
) -> Iterator[Layer]:
    stride = stage.stride if isinstance(stage, Stage) else 2
    out = _shrunk(size, stride)
    for unit in range(stage.repeats):
        at = f"{name}.{unit}"
        sizes = (size, out) if unit == 0 else (out, out)
        match spec, stage:
            case V1Spec(), Stage():
                yield from _v1_unit(at, in_channels, stage, sizes, spec, unit=unit, first=first)
            case V2Spec(), Stage():
                yield from _v2_unit(at, in_channels, stage, sizes, spec, unit=unit)
            case V2PlusSpec(), SearchedStage():
                yield from _searched_unit(at, in_channels, stage, sizes, unit=unit)
            case V2LargeSpec(), Stage():
                yield from _large_unit(at, in_channels, stage, sizes, spec, unit=unit)
            case V2ExLargeSpec(), Stage():
                yield from _exlarge_unit(at, in_channels, stage, sizes, spec, unit=unit)
    if isinstance(spec, V2ExLargeSpec):
        yield _layer(f"{name}.{stage.repeats}.0", stage.channels, stage.channels, out, out)


def _v1_unit(
    name: str,
    in_channels: int,
    stage: Stage,
    sizes: tuple[Size, Size],
    spec: V1Spec,
    *,
    unit: int,
    first: bool,
) -> Iterator[Layer]:
    size, out = sizes
    read = stage.channels if unit else in_channels
    made = stage.channels if unit else stage.channels - in_channels
    middle = spec.middle(stage.channels, made)
    groups = 1 if first and unit == 0 and not spec.first_grouped else spec.groups
    yield _layer(f"{name}.pw1.0", read, middle, size, size, groups=groups)
    yield _layer(f"{name}.dw.0", middle, middle, size, out, kernel=3, groups=middle)
    yield _layer(f"{name}.pw2.0", middle, made, out, out, groups=spec.groups)


def _v2_unit(
    name: str,
    in_channels: int,
    stage: Stage,
    sizes: tuple[Size, Size],
    spec: V2Spec,
    *,
    unit: int,
) -> Iterator[Layer]:
    half = stage.channels // 2
    read = half if unit else in_channels
    projected = half if unit else spec.projected(in_channels, stage.channels)
    if unit == 0:
        yield from _projection(f"{name}.branch1", read, projected, sizes)
    yield from _bottleneck(f"{name}.branch2", read, half, stage.channels - projected, sizes)


def _searched_unit(
    name: str, in_channels: int, stage: SearchedStage, sizes: tuple[Size, Size], *, unit: int
) -> Iterator[Layer]:
    half, kind, middle = stage.channels // 2, stage.kinds[unit], stage.middle(unit)
    read = half if unit else in_channels
    made = half if unit else stage.channels - in_channels
    kernel = 3 if kind == "xception" else int(kind[0])
    if unit == 0:
        yield from _projection(f"{name}.branch1", read, read, sizes, kernel)
    if kind == "xception":
        yield from _xception(f"{name}.branch2", (read, middle, middle, made), sizes)
    else:
        yield from _bottleneck(f"{name}.branch2", read, middle, made, sizes, kernel)
    if stage.squeeze:
        at = 15 if kind == "xception" else 8
        yield from _squeeze(f"{name}.branch2.{at}", made, made // 4, _NORM, _PLAIN)


def _large_unit(
    name: str,
    in_channels: int,
    stage: Stage,
    sizes: tuple[Size, Size],
    spec: V2LargeSpec,
    *,
    unit: int,
) -> Iterator[Layer]:
    size, out = sizes
    half = stage.channels // 2
    read = half if unit else in_channels // 2
    if unit == 0:
        yield _layer(f"{name}.branch1.0", read, half, size, out, kernel=3)
    yield _layer(f"{name}.branch2.0", read, half, size, size)
    yield _layer(f"{name}.branch2.3", half, half, size, out, kernel=3, groups=spec.groups)
    yield _layer(f"{name}.branch2.6", half, half, out, out)
    yield from _squeeze(f"{name}.branch2.8", half, half, _BIAS, _BIAS)
    if unit == 0 and stage.stride == 2:
        yield _layer(f"{name}.down.0", stage.channels, stage.channels, out, out)


def _exlarge_unit(
    name: str,
    in_channels: int,
    stage: Stage,
    sizes: tuple[Size, Size],
    spec: V2ExLargeSpec,
    *,
    unit: int,
) -> Iterator[Layer]:
    size, out = sizes
    c, half = stage.channels, stage.channels // 2
    read = half if unit else in_channels
    if unit == 0:
        yield _layer(f"{name}.branch1.0", read, half, size, out, kernel=3)
    yield _layer(f"{name}.branch2.0", read, c, size, size)
    yield _layer(f"{name}.branch2.3", c, c, size, out, kernel=3, groups=spec.groups)
    yield _layer(f"{name}.branch2.6", c, c, out, out, kernel=3, groups=c)
    yield _layer(f"{name}.branch2.8", c, half, out, out)
    yield from _squeeze(f"{name}.branch2.10", half, half // spec.squeeze_reduction, _BIAS, _BIAS)


def _projection(
    name: str, read: int, made: int, sizes: tuple[Size, Size], kernel: int = 3
) -> Iterator[Layer]:
    size, out = sizes
    yield _layer(f"{name}.0", read, read, size, out, kernel=kernel, groups=read)
    yield _layer(f"{name}.2", read, made, out, out)


def _bottleneck(
    name: str, read: int, middle: int, made: int, sizes: tuple[Size, Size], kernel: int = 3
) -> Iterator[Layer]:
    size, out = sizes
    yield _layer(f"{name}.0", read, middle, size, size)
    yield _layer(f"{name}.3", middle, middle, size, out, kernel=kernel, groups=middle)
    yield _layer(f"{name}.5", middle, made, out, out)


def _xception(name: str, widths: tuple[int, ...], sizes: tuple[Size, Size]) -> Iterator[Layer]:
    size, out = sizes
    for number, (read, made) in enumerate(pairwise(widths)):
        yield _layer(f"{name}.{5 * number}", read, read, size, out, kernel=3, groups=read)
        yield _layer(f"{name}.{5 * number + 2}", read, made, out, out)
        size = out


def _squeeze(
    name: str, channels: int, middle: int, first_extras: int, last_extras: int
) -> Iterator[Layer]:
    at, last = (1, 1), 3 if first_extras == _NORM else 2
    yield _layer(f"{name}.squeeze.0", channels, middle, at, at, extras=first_extras)
    yield _layer(f"{name}.squeeze.{last}", middle, channels, at, at, extras=last_extras)


def _head(channels: int, size: Size, spec: NetworkSpec) -> Iterator[Layer]:
    if isinstance(spec, V2Spec | V2PlusSpec | V2LargeSpec):
        kernel = 3 if isinstance(spec, V2LargeSpec) else 1
        yield _layer("conv5.0", channels, spec.head_channels, size, size, kernel=kernel)
        channels = spec.head_channels
    at = (1, 1)
    if isinstance(spec, V2PlusSpec):
        if spec.head_squeeze:
            yield from _squeeze("neck.excite", channels, channels // 4, _NORM, _PLAIN)
        if spec.hidden_channels:
            yield _layer("neck.hidden", channels, spec.hidden_channels, at, at, extras=_PLAIN)
            channels = spec.hidden_channels
    extras = _BIAS if spec.classifier_bias else _PLAIN
    yield _layer("fc", channels, spec.classes, at, at, extras=extras)


def _layer(
    name: str,
    in_channels: int,
    out_channels: int,
    in_size: Size,
    out_size: Size,
    *,
    kernel: int = 1,
    groups: int = 1,
    extras: int = _NORM,
) -> Layer:
    return Layer(
        name=name,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel=kernel,
        groups=groups,
        in_size=in_size,
        out_size=out_size,
        extras=extras,
    )
