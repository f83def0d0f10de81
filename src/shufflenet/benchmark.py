"""What a network costs: parameters, multiply-adds, and memory access; from its spec alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from shufflenet.spec import V2Spec

__all__ = ["Cost", "Layer", "cost", "layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution with its batch norm, or the classifier, and the sizes it works at."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    groups: int
    in_size: tuple[int, int]  # height, width
    out_size: tuple[int, int]

    @property
    def weights(self) -> int:
        """How many numbers the kernel holds."""
        return self.out_channels * self.in_channels // self.groups * self.kernel**2

    @property
    def parameters(self) -> int:
        """Weights, and the batch norm's scale and shift or the classifier's bias."""
        return self.weights + self.out_channels * (1 if self.name == "fc" else 2)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one image costs: convolutions and the classifier; pools, norms and ReLUs not counted."""

    parameters: int
    multiply_adds: int
    memory_access_bytes: int  # of float32


def cost(spec: V2Spec, height: int = 224, width: int = 224) -> Cost:
    """Count what a network costs for one image.

    >>> from shufflenet.zoo import find_network
    >>> cost(find_network("shufflenet_v2_x1_0"))
    Cost(parameters=2278604, multiply_adds=144907992, memory_access_bytes=25000352)
    """
    all_layers = list(layers(spec, height, width))
    return Cost(
        parameters=sum(layer.parameters for layer in all_layers),
        multiply_adds=sum(layer.multiply_adds for layer in all_layers),
        memory_access_bytes=4 * sum(layer.memory_access for layer in all_layers),
    )


def layers(spec: V2Spec, height: int, width: int) -> Iterator[Layer]:
    """List the layers of a network by torchvision's names, for an image of this size.

    Yields:
        The convolutions in the order of computation, then the classifier.
    """
    image, size = (height, width), (height, width)
    if spec.stem_stride > 1:
        size = _halved(size)
    yield _layer("conv1.0", spec.in_channels, spec.stem_channels, image, size, kernel=3)
    if spec.stem_stride == 4:
        size = _halved(size)
    channels = spec.stem_channels
    for number, stage in enumerate(spec.stages, 2):
        for unit in range(stage.repeats):
            name = f"stage{number}.{unit}"
            yield from _unit(name, channels, stage.channels, size, halves=unit == 0)
            size = _halved(size) if unit == 0 else size
            channels = stage.channels
    yield _layer("conv5.0", channels, spec.head_channels, size, size)
    yield _layer("fc", spec.head_channels, spec.classes, (1, 1), (1, 1))


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def _unit(
    name: str, in_channels: int, channels: int, size: tuple[int, int], *, halves: bool
) -> Iterator[Layer]:
    half = channels // 2
    out = _halved(size) if halves else size
    read = in_channels if halves else half
    if halves:
        yield _layer(f"{name}.branch1.0", read, read, size, out, kernel=3, groups=read)
        yield _layer(f"{name}.branch1.2", read, half, out, out)
    yield _layer(f"{name}.branch2.0", read, half, size, size)
    yield _layer(f"{name}.branch2.3", half, half, size, out, kernel=3, groups=half)
    yield _layer(f"{name}.branch2.5", half, half, out, out)


def _layer(
    name: str,
    in_channels: int,
    out_channels: int,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    *,
    kernel: int = 1,
    groups: int = 1,
) -> Layer:
    return Layer(
        name=name,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel=kernel,
        groups=groups,
        in_size=in_size,
        out_size=out_size,
    )
