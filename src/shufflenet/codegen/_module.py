"""A network as a module: functions in LLVM's intermediate representation, and their constants."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.codegen._entries import Entries, padded_classes
from shufflenet.codegen.kernels import (
    COLORS,
    Kernels,
    Layout,
    Multiplier,
    all_fit_pairs,
    float_multiplier,
    int8_multiplier,
)
from shufflenet.codegen.plan import Memory, Planes, Turn, check_bounds, place_steps, plan_steps
from shufflenet.errors import MapsDoNotFit
from shufflenet.graph import Convolution, Network
from shufflenet.spec import Preprocess, Target

__all__ = ["Module", "build", "check", "missing_instructions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A network for images of one shape and one target.

    Its functions, in C:

    - ``prepare(arena)`` fills an arena with the borders of maps, once before it is used;
    - ``features(arena, constants, tables, const float *image)`` computes what the classifier reads
      of an image, ``(channels, height, width)``;
    - ``features_of_pixels(arena, constants, tables, const uint8_t *pixels)``, if the module takes
      pixels, does so of ``(height, width, 3)`` RGB bytes, which it normalizes;
    - ``logits(features, constants, tables, float *logits, int64_t images)`` computes the logits of
      images whose features, ``(images, features_pitch)``, lie side by side.

    Several threads may call them at once, each with its own arena.

    Attributes:
        code: The functions.
        target: The processor that they are for.
        shape: Channels, height and width of images, px.
        constants: Weights and epilogues, ``(bytes,)``; they must begin at a cache line.
        tables: Offsets, int32 ``(n,)``.
        dtype: The type of the elements of the arena and of features.
        arena_elements: Elements of an arena, which must begin at a cache line.
        features_at: The element of the arena at which features begin.
        features_pitch: Elements of one image's features, padded.
        classes: The number of classes.
        logits_pitch: float32 values of one image's logits, padded.
        takes_pixels: Whether there is ``features_of_pixels``.
    """

    code: ir.Module
    target: Target
    shape: tuple[int, int, int]
    constants: npt.NDArray[np.uint8]
    tables: npt.NDArray[np.int32]
    dtype: type[np.generic]
    arena_elements: int
    features_at: int
    features_pitch: int
    classes: int
    logits_pitch: int
    takes_pixels: bool

    @property
    def arena_bytes(self) -> int:
        """Bytes of an arena."""
        return self.arena_elements * np.dtype(self.dtype).itemsize


def build(
    network: Network,
    target: Target,
    shape: tuple[int, int, int],
    preprocess: Preprocess | None = None,
) -> Module:
    """Build the module of a network for images of one shape; this takes tenths of a second.

    Args:
        network: The layers of an exported file.
        target: The processor that code is generated for.
        shape: Channels, height and width of images, px.
        preprocess: How pixels become images; without it, or if it subtracts a mean image, the
            module takes no pixels.

    Raises:
        CompileError: maps do not fit each other, the first convolution reads another number of
            channels, or the code would take too long to compile or too much memory to run.
        ValueError: the target has no instructions that multiply bytes.
    """
    code = ir.Module()
    kernels = Kernels.create(code, _multiplier(network, target))
    memory = Memory(kernels.layout.dtype)
    images = _planes(network, shape)
    turns = _turns(network, kernels.layout, memory, images)
    entries = Entries(kernels, memory, images, network.input_params)
    if preprocess is not None and (preprocess.mean_image or shape[0] != COLORS):
        preprocess = None
    entries.write(turns, network.classifier, preprocess)
    features, classes = turns[-1].steps[-1].output, len(network.classifier.weight)
    return Module(
        code=code,
        target=target,
        shape=shape,
        constants=memory.constants(),
        tables=memory.tables(),
        dtype=kernels.layout.dtype,
        arena_elements=memory.length,
        features_at=features.at,
        features_pitch=features.pitch,
        classes=classes,
        logits_pitch=padded_classes(kernels.layout, classes),
        takes_pixels=preprocess is not None,
    )


def check(network: Network, target: Target, shape: tuple[int, int, int]) -> None:
    """Check that a network can be built for images of a shape, which takes no time.

    Raises:
        CompileError: maps do not fit each other, the first convolution reads another number of
            channels, or the code would take too long to compile or too much memory to run.
        ValueError: the target has no instructions that multiply bytes.
    """
    layout = _multiplier(network, target).layout
    _turns(network, layout, Memory(layout.dtype), _planes(network, shape))


def _turns(network: Network, layout: Layout, memory: Memory, images: Planes) -> list[Turn]:
    """Return the turns in which the steps of a network are computed, with places for all maps.

    Raises:
        MapsDoNotFit: the layers do not fit each other.
        TooLargeToCompile: there is too much of something.
    """
    memory.allocate_new(images)
    turns = place_steps(plan_steps(network.layers, layout, images), memory)
    features, layer = turns[-1].steps[-1].output, network.classifier
    if layer.weight.shape != (len(layer.bias), features.channels):
        raise MapsDoNotFit("the classifier reads another number of features")
    check_bounds(turns, layer, layout)
    return turns


def missing_instructions(network: Network, target: Target) -> str:
    """Return the instructions that a target lacks to compute a network; empty if it lacks none."""
    if network.input_params is None:
        return ""
    if not target.multiplies_bytes:
        return "AVX2"
    return "VNNI" if target.multiplies_bytes == "AVX2" and not all_fit_pairs(network) else ""


def _planes(network: Network, shape: tuple[int, int, int]) -> Planes:
    """Return the planes of the images.

    Raises:
        MapsDoNotFit: the first convolution reads another number of channels.
    """
    stem, (channels, height, width) = network.layers[0], shape
    if not isinstance(stem, Convolution) or stem.weight.shape[1] != channels:
        raise MapsDoNotFit("the first convolution reads another number of channels")
    return Planes(
        channels=channels,
        height=height,
        width=width,
        border=stem.kernel // 2,
        outside=stem.padding_value,
    )


def _multiplier(network: Network, target: Target) -> Multiplier:
    return (float_multiplier if network.input_params is None else int8_multiplier)(target)
