"""A network as a module: functions in LLVM's intermediate representation, and their constants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.codegen._classifier import padded_classes
from shufflenet.codegen._entries import Entries
from shufflenet.codegen._input import InputPlanes
from shufflenet.codegen._network import NetworkCalls
from shufflenet.codegen._together import Together
from shufflenet.codegen.kernels import (
    Kernels,
    Layout,
    Multiplier,
    all_fit_pairs,
    float_multiplier,
    int8_multiplier,
    least_weight,
)
from shufflenet.codegen.plan import Memory, Planes, Turn, check_bounds, plan_turns
from shufflenet.errors import MapsDoNotFit
from shufflenet.graph import Convolution, Network, dtype_of
from shufflenet.preprocess import scales_bytes
from shufflenet.spec import Preprocess, Target

__all__ = ["Module", "build", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A network for images of one shape and one target.

    Its functions, in C:

    - ``prepare(arena)`` fills an arena with the borders of maps, once before it is used;
    - ``features(arena, constants, tables, const float *image)`` computes what the classifier reads
      of an image, ``(channels, height, width)``;
    - ``features_of_pixels(arena, constants, tables, const uint8_t *pixels)``, if the module takes
      pixels, does so of bytes, ``(height, width, channels)``, which it normalizes;
    - ``logits(features, constants, tables, float *logits, int64_t images)`` computes the logits of
      images whose features, ``(images, features_pitch)``, lie side by side.

    Several threads may call them at once, each with its own arena. If the module is for several
    threads, there are functions by which they compute the logits of one image together in one
    arena:

    - ``begin_image(arena, int64_t image_number)``, which one of them calls first; the number is one
      more than that of the image before in this arena, up to 2**31;
    - ``logits_of_image_part(arena, constants, tables, const float *image, float *logits,
      int64_t thread, int64_t image_number, void (*rest)(void))``, which all call, each with another
      ``thread`` from 0 to ``threads - 1``. When the one of thread 0 returns, the logits are
      computed, by those that had come until then. Threads that wait for long call ``rest``, which
      may be null.
    - ``logits_of_pixels_part``, likewise of bytes, ``(height, width, channels)``.

    Attributes:
        code: The functions.
        target: The processor that they are for.
        shape: Channels, height and width of images, px.
        constants: Weights and epilogues, ``(bytes,)``; they must begin at a cache line.
        tables: Offsets, int32 ``(n,)``.
        arena_bytes: Bytes of an arena, which must begin at a cache line.
        while_reading: The parts of an arena, ``(first byte, size)``, that are written before the
            image is read to its end; empty if an arena keeps borders from image to image.
        dtype: The type of the elements of features.
        features_at: The byte of the arena at which features begin.
        features_pitch: Elements of one image's features, padded.
        classes: The number of classes.
        logits_pitch: float32 values of one image's logits, padded.
        takes_pixels: Whether there is ``features_of_pixels``.
        threads: How many threads may compute an image together.
    """

    code: ir.Module
    target: Target
    shape: tuple[int, int, int]
    constants: npt.NDArray[np.uint8]
    tables: npt.NDArray[np.int32]
    arena_bytes: int
    while_reading: Sequence[tuple[int, int]]
    dtype: type[np.generic]
    features_at: int
    features_pitch: int
    classes: int
    logits_pitch: int
    takes_pixels: bool
    threads: int


def build(
    network: Network,
    target: Target,
    shape: tuple[int, int, int],
    preprocess: Preprocess | None = None,
    *,
    batches: bool = True,
    least_memory: bool = False,
    threads: int = 1,
) -> Module:
    """Build the module of a network for images of one shape; this takes tenths of a second.

    Args:
        network: The layers of an exported file.
        target: The processor that code is generated for.
        shape: Channels, height and width of images, px.
        preprocess: How pixels become images; without it, or if that is more than a factor and an
            offset for each channel of bytes, the module takes no pixels.
        batches: Whether ``logits`` computes many images too, for which the weights of the
            classifier are stored a second time; without, it computes one.
        least_memory: Whether the arena is as small as possible, which takes more time.
        threads: How many threads may compute an image together; one with ``least_memory``.

    Raises:
        CompileError: maps do not fit each other, the first convolution reads another number of
            channels, or the code would take too long to compile or too much memory to run.
    """
    code, images = ir.Module(), _planes(network, shape)
    code.triple = target.triple
    kernels = {
        dtype: Kernels.create(code, multiplier)
        for dtype, multiplier in _multipliers(network, target).items()
    }
    memory = Memory(1 if least_memory else threads)
    layouts = {dtype: each.layout for dtype, each in kernels.items()}
    turns = _turns(network, layouts, memory, images, least_memory=least_memory)
    calls = NetworkCalls.create(kernels, memory, turns)
    planes = InputPlanes(images, network.input_params, shape[1])
    if preprocess is not None and not scales_bytes(preprocess, shape[0]):
        preprocess = None
    if memory.threads > 1:
        Together(calls, planes, target).write(network.classifier, preprocess)
    Entries(calls, planes).write(network.classifier, preprocess, batches=batches)
    written = _Written(code, calls, takes_pixels=preprocess is not None)
    return written.module(target, shape, len(network.classifier.weight))


@dataclass(frozen=True, slots=True)
class _Written:
    """The functions of a module, which are written, and whether there is one for pixels."""

    code: ir.Module
    calls: NetworkCalls
    takes_pixels: bool

    def module(self, target: Target, shape: tuple[int, int, int], classes: int) -> Module:
        """Return the module, with the constants and the memory that were asked for meanwhile."""
        memory, features = self.calls.memory, self.calls.features
        layout = self.calls.kernels[features.dtype].layout
        return Module(
            code=self.code,
            target=target,
            shape=shape,
            constants=memory.constants(),
            tables=memory.tables(),
            arena_bytes=memory.length,
            while_reading=tuple(memory.while_reading),
            dtype=features.dtype,
            features_at=features.at,
            features_pitch=features.pitch,
            classes=classes,
            logits_pitch=padded_classes(layout, classes),
            takes_pixels=self.takes_pixels,
            threads=memory.threads,
        )


def check(network: Network, target: Target, shape: tuple[int, int, int]) -> None:
    """Check that a network can be built for images of a shape, which takes no time.

    Raises:
        CompileError: maps do not fit each other, the first convolution reads another number of
            channels, or the code would take too long to compile or too much memory to run.
    """
    layouts = {dtype: each.layout for dtype, each in _multipliers(network, target).items()}
    _turns(network, layouts, Memory(), _planes(network, shape))


def _turns(
    network: Network,
    layouts: Mapping[type[np.generic], Layout],
    memory: Memory,
    images: Planes,
    *,
    least_memory: bool = False,
) -> list[Turn]:
    """Return the turns in which the steps of a network are computed, with places for all maps.

    Raises:
        MapsDoNotFit: the layers do not fit each other.
        TooLargeToCompile: there is too much of something.
    """
    turns = plan_turns(network.layers, layouts, images, memory, least_memory=least_memory)
    features, layer = turns[-1].steps[-1].output, network.classifier
    if layer.weight.shape != (len(layer.bias), features.channels):
        raise MapsDoNotFit("the classifier reads another number of features")
    if features.dtype != dtype_of(layer):
        raise MapsDoNotFit("the classifier reads bytes as float32, or float32 as bytes")
    check_bounds(turns, layer, layouts)
    return turns


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
        dtype=dtype_of(stem),
    )


def _multipliers(network: Network, target: Target) -> dict[type[np.generic], Multiplier]:
    """Return what multiplies on a target, by the type of the elements of a network's maps."""
    of: dict[type[np.generic], Multiplier] = {}
    if np.uint8 in network.dtypes:
        of[np.uint8] = int8_multiplier(
            target, fits_pairs=all_fit_pairs(network), least_weight=least_weight(network)
        )
    if np.float32 in network.dtypes:
        of[np.float32] = float_multiplier(target)
    return of
