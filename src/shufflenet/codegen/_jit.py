"""A module compiled for this machine, and run."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import binding

from shufflenet.codegen._llvm import optimize, target_machine
from shufflenet.codegen._module import Module
from shufflenet.codegen.kernels import LINE_BYTES, Array, aligned
from shufflenet.codegen.plan import PIXELS
from shufflenet.errors import SpecError
from shufflenet.graph import Floats

__all__ = ["Compiled", "jit"]


def jit(module: Module) -> "Compiled":
    """Compile a module for this machine, which must be its target; this takes about a second."""
    return Compiled(module)


class _Sizes(NamedTuple):
    """What is needed of a module to run it, without its code and its copy of the constants."""

    shape: tuple[int, int, int]
    arena_bytes: int
    dtype: type[np.generic]
    features_at: int
    features_pitch: int
    classes: int
    logits_pitch: int


class Compiled:
    """A network for images of one shape, as machine code in memory.

    Several threads may call its methods at once; each computes in its own arena.
    """

    def __init__(self, module: Module) -> None:
        self._sizes = _Sizes(
            module.shape,
            module.arena_bytes,
            module.dtype,
            module.features_at,
            module.features_pitch,
            module.classes,
            module.logits_pitch,
        )
        # Kept, for the code reads them by their addresses.
        self._blocks = [_copy_aligned(block) for block in (module.constants, module.tables)]
        self._addresses = [block.ctypes.data for block in self._blocks]
        machine = target_machine(module.target, jit=True)
        code = optimize(module.code, module.target, machine)
        self._engine = binding.create_mcjit_compiler(code, machine)  # it frees code and machine
        self._engine.finalize_object()
        pointers = [ctypes.c_void_p] * 4
        self._prepare = self._function("prepare", ctypes.c_void_p)
        self._features = self._function("features", *pointers)
        if module.takes_pixels:
            self._features_of_pixels = self._function("features_of_pixels", *pointers)
        self._logits = self._function("logits", *pointers, ctypes.c_int64)
        self._own = threading.local()

    def features(self, image: Floats) -> Array:
        """Compute what the classifier reads, ``(features,)``, of ``(channels, height, width)``."""
        return self._run_floats(image).features.copy()

    def features_of_pixels(self, pixels: npt.NDArray[np.uint8]) -> Array:
        """Compute what the classifier reads, ``(features,)``, of ``(height, width, 3)`` RGB."""
        return self._run_pixels(pixels).features.copy()

    def logits(self, features: Sequence[Array]) -> Floats:
        """Compute logits, ``(n, classes)``, of the features of ``n`` images, many at a time.

        Raises:
            SpecError: features of another network are among them.
        """
        sizes = self._sizes
        for row in features:
            _checked(row, sizes.dtype, (sizes.features_pitch,))
        logits = np.empty((len(features), sizes.logits_pitch), np.float32)
        for start in range(0, len(features), PIXELS):
            rows = features[start : start + PIXELS]
            length = len(rows) * sizes.features_pitch
            # A line to spare, for steps may read beyond the last row.
            block = aligned(length + LINE_BYTES, sizes.dtype)
            np.concatenate(rows, out=block[:length])
            output = logits[start:].ctypes.data
            self._logits(block.ctypes.data, *self._addresses, output, len(rows))
        return logits[:, : sizes.classes]

    def logits_of(self, image: Floats) -> Floats:
        """Compute the logits, ``(1, classes)``, of one image, ``(channels, height, width)``."""
        return self._classify(self._run_floats(image))

    def logits_of_pixels(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Compute the logits, ``(1, classes)``, of one image, ``(height, width, 3)`` RGB."""
        return self._classify(self._run_pixels(pixels))

    def _run_floats(self, image: Floats) -> "_Arena":
        return self._run(self._features, _checked(image, np.float32, self._sizes.shape))

    def _run_pixels(self, pixels: npt.NDArray[np.uint8]) -> "_Arena":
        channels, height, width = self._sizes.shape
        return self._run(
            self._features_of_pixels, _checked(pixels, np.uint8, (height, width, channels))
        )

    def _run(self, compute: Callable[..., None], image: Array) -> "_Arena":
        """Compute an image's features in this thread's arena."""
        if not hasattr(self._own, "arena"):
            self._own.arena = _Arena(self._sizes)
            self._prepare(self._own.arena.address)
        arena: _Arena = self._own.arena
        image = np.ascontiguousarray(image)  # kept until the code has read it
        compute(arena.address, *self._addresses, image.ctypes.data)
        return arena

    def _classify(self, arena: "_Arena") -> Floats:
        self._logits(arena.features_address, *self._addresses, arena.logits_address, 1)
        return arena.logits[:, : self._sizes.classes].copy()

    def _function(self, name: str, *types: Any) -> Callable[..., None]:  # noqa: ANN401  # of ctypes
        return ctypes.CFUNCTYPE(None, *types)(self._engine.get_function_address(name))


class _Arena:
    """The memory that a thread computes in.

    Addresses are stored, for numpy takes some 20 microseconds to return one when its code has left
    the caches, as it has after a network was computed.

    Attributes:
        address: Its first byte.
        features: The part of it that the classifier reads.
        logits: The logits of one image, padded to whole panels.
    """

    def __init__(self, sizes: _Sizes) -> None:
        self._block = aligned(sizes.arena_bytes, np.uint8)  # kept: the code reads it
        length = sizes.features_pitch * np.dtype(sizes.dtype).itemsize
        self.features = self._block[sizes.features_at :][:length].view(sizes.dtype)
        self.logits = np.empty((1, sizes.logits_pitch), np.float32)
        self.address, self.features_address, self.logits_address = (
            each.ctypes.data for each in (self._block, self.features, self.logits)
        )


def _checked(values: Array, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Array:
    """Return values of the type and shape that the code reads.

    Raises:
        SpecError: they are others.
    """
    if values.dtype != dtype or values.shape != shape:
        actual = f"{values.dtype} {values.shape}"
        raise SpecError("the array to compute", actual, f"{np.dtype(dtype)} {shape}")
    return values


def _copy_aligned(values: Array) -> Array:
    block = aligned(len(values), values.dtype)
    block[:] = values
    return block
