"""The layers of a network and the sizes they work at, computed from its spec without torch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import assert_never

from shufflenet.spec import (
    STRIDES,
    DetectorSpec,
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

_NORM, _BIAS, _PLAIN = 2, 1, 0  # numbers of an output channel besides the weights
_ONE: Size = (1, 1)  # the size of what is averaged over all pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution or a linear layer, with its batch norm or its bias.

    Attributes:
        name: The name of its module in the network.
        in_channels: The channels of its input.
        out_channels: The channels of its output.
        kernel: The height and the width of its kernel.
        groups: The groups of its channels.
        in_size: The height and the width of its input.
        out_size: The height and the width of its output.
        extras: How many numbers it has for each output channel besides its weights: 2 for the
            scale and the shift of a batch norm, 1 for a bias.
    """

    name: str
    in_channels: int
    out_channels: int
    kernel: int = 1
    groups: int = 1
    in_size: Size
    out_size: Size
    extras: int = _NORM

    @property
    def weights(self) -> int:
        """The number of weights of the kernel."""
        return self.out_channels * self.in_channels // self.groups * self.kernel**2

    @property
    def parameters(self) -> int:
        """The number of weights, and of the batch norm's scales and shifts or of biases."""
        return self.weights + self.out_channels * self.extras

    @property
    def multiply_adds(self) -> int:
        """The number of multiplications of a weight and a value; batch norms count as folded."""
        return self.weights * self.out_size[0] * self.out_size[1]

    @property
    def memory_access(self) -> int:
        """The number of values loaded and stored: input, weights and output, each once.

        Source: Ma et al. 2018, section 2, G1, equation 1 for a 1x1 convolution
        """
        loaded = self.in_channels * self.in_size[0] * self.in_size[1]
        stored = self.out_channels * self.out_size[0] * self.out_size[1]
        return loaded + stored + self.weights

    @property
    def memory_access_bytes(self) -> int:
        """The bytes loaded and stored in float32.

        >>> size = (56, 56)
        >>> layer = Layer(name="", in_channels=24, out_channels=58, in_size=size, out_size=size)
        >>> layer.memory_access_bytes == 4 * (56 * 56 * (24 + 58) + 24 * 58)
        True
        """
        return 4 * self.memory_access


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A unit's place in its network.

    Attributes:
        stage: The index of its stage in ``spec.stages``.
        index: Its index in that stage; the unit of index 0 opens the stage.
        stage_inputs: The input channels of the stage.
        sizes: The sizes of its input and of its output.
    """

    stage: int
    index: int
    stage_inputs: int
    sizes: tuple[Size, Size]

    @property
    def name(self) -> str:
        """The name of its module; papers count stages from 2."""
        return f"stage{self.stage + 2}.{self.index}"

    @property
    def opens(self) -> bool:
        """Whether it is the first unit of its stage."""
        return self.index == 0


def layers(
    spec: NetworkSpec, height: int, width: int, detector: DetectorSpec | None = None
) -> Iterator[Layer]:
    """Compute the layers of a network for images of ``height`` by ``width`` pixels.

    Args:
        spec: The network.
        height: The height of the images.
        width: Their width.
        detector: What is put on its stages, for a detector; a classifier unless given.

    Yields:
        The convolutions in the order of computation, then the classifier or the heads.
    """
    size = (height, width)
    for number, channels in enumerate(pairwise((spec.in_channels, *spec.stem_widths))):
        output = _strided(size, 2 if spec.stem_stride > 1 and number == 0 else 1)
        yield _conv(f"conv1.{3 * number}", channels, (size, output), kernel=3)
        size = output
    size = _strided(size, 2 if spec.stem_stride == 4 else 1)
    maps = []
    stages: tuple[Stage | SearchedStage, ...] = spec.stages
    for number, (inputs, stage) in enumerate(zip(spec.stage_inputs, stages, strict=True)):
        output = _strided(size, stage.stride)
        for index in range(stage.repeats):
            unit = _Unit(stage=number, index=index, stage_inputs=inputs, sizes=(size, output))
            yield from _unit_layers(unit, spec)
            size = output
        maps.append((stage.channels, size))
    if detector is None:
        yield from _head(spec, size)
    else:
        yield from _detector(maps[-len(STRIDES) :], detector, spec.classes)


def _strided(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)


def _unit_layers(unit: _Unit, spec: NetworkSpec) -> Iterator[Layer]:
    match spec:
        case V1Spec():
            return _v1_unit(unit, spec)
        case V2Spec():
            return _v2_unit(unit, spec)
        case V2PlusSpec():
            return _searched_unit(unit, spec)
        case V2LargeSpec():
            return _large_unit(unit, spec)
        case V2ExLargeSpec():
            return _exlarge_unit(unit, spec)
        case _:
            assert_never(spec)


def _v1_unit(unit: _Unit, spec: V1Spec) -> Iterator[Layer]:
    name, (size, output), channels = unit.name, unit.sizes, spec.stages[unit.stage].channels
    inputs = unit.stage_inputs if unit.opens else channels
    convolved = channels - inputs if unit.opens else channels
    middle = spec.middle(channels, convolved)
    first = unit.opens and unit.stage == 0
    groups = 1 if first and not spec.first_grouped else spec.groups
    yield _conv(f"{name}.pw1.0", (inputs, middle), (size, size), groups=groups)
    yield _depthwise(f"{name}.dw.0", middle, (size, output))
    yield _conv(f"{name}.pw2.0", (middle, convolved), (output, output), groups=spec.groups)


def _v2_unit(unit: _Unit, spec: V2Spec) -> Iterator[Layer]:
    channels = spec.stages[unit.stage].channels
    half = channels // 2
    inputs = unit.stage_inputs if unit.opens else half
    projected = spec.projected(inputs, channels) if unit.opens else half
    if unit.opens:
        yield from _projection(f"{unit.name}.branch1", (inputs, projected), unit.sizes)
    widths = (inputs, half, channels - projected)
    yield from _bottleneck(f"{unit.name}.branch2", widths, unit.sizes)


def _searched_unit(unit: _Unit, spec: V2PlusSpec) -> Iterator[Layer]:
    stage, name = spec.stages[unit.stage], f"{unit.name}.branch2"
    half, kind, middle = stage.channels // 2, stage.kinds[unit.index], stage.middle(unit.index)
    inputs = unit.stage_inputs if unit.opens else half
    outputs = stage.channels - inputs if unit.opens else half
    kernel = 3 if kind == "xception" else int(kind[0])
    if unit.opens:
        yield from _projection(f"{unit.name}.branch1", (inputs, inputs), unit.sizes, kernel)
    if kind == "xception":
        yield from _xception(name, (inputs, middle, middle, outputs), unit.sizes)
    else:
        yield from _bottleneck(name, (inputs, middle, outputs), unit.sizes, kernel)
    if stage.squeeze:
        number = 15 if kind == "xception" else 8
        yield from _squeeze_with_norm(f"{name}.{number}", outputs, outputs // 4)


def _large_unit(unit: _Unit, spec: V2LargeSpec) -> Iterator[Layer]:
    stage, name, (size, output) = spec.stages[unit.stage], unit.name, unit.sizes
    half = stage.channels // 2
    inputs = unit.stage_inputs // 2 if unit.opens else half
    if unit.opens:
        yield _conv(f"{name}.branch1.0", (inputs, half), (size, output), kernel=3)
    yield _conv(f"{name}.branch2.0", (inputs, half), (size, size))
    yield _conv(f"{name}.branch2.3", (half, half), (size, output), kernel=3, groups=spec.groups)
    yield _conv(f"{name}.branch2.6", (half, half), (output, output))
    yield from _squeeze_with_bias(f"{name}.branch2.8", half, half)
    if unit.opens and stage.stride == 2:
        yield _conv(f"{name}.down.0", (stage.channels, stage.channels), (output, output))


def _exlarge_unit(unit: _Unit, spec: V2ExLargeSpec) -> Iterator[Layer]:
    stage, name, (size, output) = spec.stages[unit.stage], unit.name, unit.sizes
    c, half = stage.channels, stage.channels // 2
    inputs = unit.stage_inputs if unit.opens else half
    if unit.opens:
        yield _conv(f"{name}.branch1.0", (inputs, half), (size, output), kernel=3)
    yield _conv(f"{name}.branch2.0", (inputs, c), (size, size))
    yield _conv(f"{name}.branch2.3", (c, c), (size, output), kernel=3, groups=spec.groups)
    yield _depthwise(f"{name}.branch2.6", c, (output, output))
    yield _conv(f"{name}.branch2.8", (c, half), (output, output))
    yield from _squeeze_with_bias(f"{name}.branch2.10", half, half // spec.squeeze_reduction)
    if unit.index == stage.repeats - 1:  # a 1x1 convolution ends the stage
        yield _conv(f"stage{unit.stage + 2}.{stage.repeats}.0", (c, c), (output, output))


def _projection(
    name: str, channels: tuple[int, int], sizes: tuple[Size, Size], kernel: int = 3
) -> Iterator[Layer]:
    yield _depthwise(f"{name}.0", channels[0], sizes, kernel)
    yield _conv(f"{name}.2", channels, (sizes[1], sizes[1]))


def _bottleneck(
    name: str, widths: tuple[int, int, int], sizes: tuple[Size, Size], kernel: int = 3
) -> Iterator[Layer]:
    (inputs, middle, outputs), (size, output) = widths, sizes
    yield _conv(f"{name}.0", (inputs, middle), (size, size))
    yield _depthwise(f"{name}.3", middle, sizes, kernel)
    yield _conv(f"{name}.5", (middle, outputs), (output, output))


def _xception(name: str, widths: tuple[int, ...], sizes: tuple[Size, Size]) -> Iterator[Layer]:
    size, output = sizes
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        yield _depthwise(f"{name}.{5 * number}", inputs, (size, output))
        yield _conv(f"{name}.{5 * number + 2}", (inputs, outputs), (output, output))
        size = output


def _squeeze_with_norm(name: str, channels: int, middle: int) -> Iterator[Layer]:
    yield _dense(f"{name}.squeeze.0", channels, middle, _NORM)
    yield _dense(f"{name}.squeeze.3", middle, channels, _PLAIN)


def _squeeze_with_bias(name: str, channels: int, middle: int) -> Iterator[Layer]:
    yield _dense(f"{name}.squeeze.0", channels, middle, _BIAS)
    yield _dense(f"{name}.squeeze.2", middle, channels, _BIAS)


def _head(spec: NetworkSpec, size: Size) -> Iterator[Layer]:
    if spec.head_channels:
        channels = (spec.stages[-1].channels, spec.head_channels)
        yield _conv("conv5.0", channels, (size, size), kernel=spec.head_kernel)
    features, hidden = spec.feature_channels, spec.hidden_channels
    if spec.head_squeeze:
        yield from _squeeze_with_norm("neck.excite", features, features // 4)
    if hidden:
        yield _dense("neck.hidden", features, hidden, _PLAIN)
    bias = _BIAS if spec.classifier_bias else _PLAIN
    yield _dense("fc", spec.embedding_channels, spec.classes, bias)


def _detector(
    maps: list[tuple[int, Size]], detector: DetectorSpec, classes: int
) -> Iterator[Layer]:
    """Yield the neck on maps, each of so many channels and such a size, and the heads."""
    channels, sizes = detector.neck_channels, [size for _, size in maps]
    for number, (inputs, size) in enumerate(maps):
        yield _conv(f"neck.laterals.{number}.0", (inputs, channels), (size, size))
    for number, size in enumerate(reversed(sizes[:-1])):
        yield from _separable(f"neck.down.{number}", channels, (size, size))
    for number, (finer, size) in enumerate(pairwise(sizes)):
        yield from _separable(f"neck.shrink.{number}", channels, (finer, size))
        yield from _separable(f"neck.up.{number}", channels, (size, size))
    for number, size in enumerate(sizes):
        for layer in range(detector.head_layers):
            yield from _separable(f"heads.{number}.layers.{layer}", channels, (size, size))
        outputs = channels, classes + 4 * detector.bins
        output = _conv(f"heads.{number}.output", outputs, (size, size))
        yield replace(output, extras=_BIAS)


def _separable(name: str, channels: int, sizes: tuple[Size, Size]) -> Iterator[Layer]:
    yield _depthwise(f"{name}.0", channels, sizes)
    yield _conv(f"{name}.2", (channels, channels), (sizes[1], sizes[1]))


def _conv(
    name: str,
    channels: tuple[int, int],
    sizes: tuple[Size, Size],
    *,
    kernel: int = 1,
    groups: int = 1,
) -> Layer:
    """Return a convolution with a batch norm; ``channels`` and ``sizes`` are input, output."""
    return Layer(
        name=name,
        in_channels=channels[0],
        out_channels=channels[1],
        kernel=kernel,
        groups=groups,
        in_size=sizes[0],
        out_size=sizes[1],
    )


def _depthwise(name: str, channels: int, sizes: tuple[Size, Size], kernel: int = 3) -> Layer:
    return _conv(name, (channels, channels), sizes, kernel=kernel, groups=channels)


def _dense(name: str, inputs: int, outputs: int, extras: int) -> Layer:
    """Return a layer of one pixel: a linear layer, or a 1x1 convolution of averages."""
    return replace(_conv(name, (inputs, outputs), (_ONE, _ONE)), extras=extras)
