"""Machine code of a network, run on this machine."""

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import binding

from shufflenet.errors import SpecError
from shufflenet.native._code import NativeCode, Sizes
from shufflenet.native._memory import LINE_BYTES, Array, aligned

__all__ = ["Compiled"]

_Floats: TypeAlias = npt.NDArray[np.float32]
_Part: TypeAlias = Callable[..., None]
_Submit: TypeAlias = Callable[..., object]


class Compiled:
    """A network for images of one shape, as machine code in memory.

    Several threads may call its methods at once; each computes in its own arena.
    """

    def __init__(self, code: NativeCode) -> None:
        """Link code for this processor into this process."""
        self._sizes = code.sizes
        # Kept, for the code reads them by their addresses.
        self._blocks = [_at_cache_line(block) for block in (code.constants, code.tables)]
        self._addresses = [block.ctypes.data for block in self._blocks]
        self._engine = _link(code)
        pointers = [ctypes.c_void_p] * 4
        self._prepare = self._function("prepare", ctypes.c_void_p)
        self._features = self._function("features", *pointers)
        if code.sizes.takes_pixels:
            self._features_of_pixels = self._function("features_of_pixels", *pointers)
        self._logits = self._function("logits", *pointers, ctypes.c_int64)
        if code.sizes.threads > 1:
            number, pointer = ctypes.c_int64, ctypes.c_void_p
            part = [*pointers, pointer, number, number, pointer]
            self._begin_image = self._function("begin_image", pointer, number)
            self._part_of_image = self._function("logits_of_image_part", *part)
            if code.sizes.takes_pixels:
                self._part_of_pixels = self._function("logits_of_pixels_part", *part)
        self._own = threading.local()

    def features(self, image: _Floats) -> Array:
        """Compute what the classifier reads, ``(features,)``, of ``(channels, height, width)``."""
        return self._run_floats(image).features.copy()

    def features_of_pixels(self, pixels: npt.NDArray[np.uint8]) -> Array:
        """Compute what the classifier reads, ``(features,)``, of ``(height, width, 3)`` RGB."""
        return self._run_pixels(pixels).features.copy()

    def logits(self, features: Sequence[Array]) -> _Floats:
        """Compute logits, ``(n, classes)``, of the features of ``n`` images, many at a time.

        Raises:
            SpecError: features of another network are among them.
        """
        sizes = self._sizes
        for row in features:
            _checked(row, np.dtype(sizes.dtype), (sizes.features_pitch,))
        logits = np.empty((len(features), sizes.logits_pitch), np.float32)
        for start in range(0, len(features), sizes.images):
            rows = features[start : start + sizes.images]
            length = len(rows) * sizes.features_pitch
            # A line to spare, for steps may read beyond the last row.
            block = aligned(length + LINE_BYTES, sizes.dtype)
            np.concatenate(rows, out=block[:length])
            output = logits[start:].ctypes.data
            self._logits(block.ctypes.data, *self._addresses, output, len(rows))
        return logits[:, : sizes.classes]

    def logits_of(self, image: _Floats, submit: _Submit | None = None) -> _Floats:
        """Compute the logits, ``(1, classes)``, of one image, ``(channels, height, width)``.

        Args:
            image: The image.
            submit: Calls a function with arguments in another thread; several compute the image
                together then, if the code is for several. It may be late, or never call it.
        """
        if submit and self._sizes.threads > 1:
            image = _checked(image, np.float32, self._sizes.shape)
            return self._classify_together(self._part_of_image, image, submit)
        return self._classify(self._run_floats(image))

    def logits_of_pixels(
        self, pixels: npt.NDArray[np.uint8], submit: _Submit | None = None
    ) -> _Floats:
        """Compute the logits, ``(1, classes)``, of one image, ``(height, width, 3)`` RGB.

        Args:
            pixels: The image.
            submit: See ``logits_of``.
        """
        if submit and self._sizes.threads > 1:
            pixels = self._checked_pixels(pixels)
            return self._classify_together(self._part_of_pixels, pixels, submit)
        return self._classify(self._run_pixels(pixels))

    def _run_floats(self, image: _Floats) -> "_Arena":
        return self._run(self._features, _checked(image, np.float32, self._sizes.shape))

    def _run_pixels(self, pixels: npt.NDArray[np.uint8]) -> "_Arena":
        return self._run(self._features_of_pixels, self._checked_pixels(pixels))

    def _checked_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        channels, height, width = self._sizes.shape
        return _checked(pixels, np.uint8, (height, width, channels))

    def _own_arena(self) -> "_Arena":
        """Return this thread's arena."""
        if not hasattr(self._own, "arena"):
            arena = _Arena(self._sizes)
            self._prepare(arena.address)
            self._own.arena = arena  # last of all, for an interrupt may come in between
            return arena
        own: _Arena = self._own.arena
        return own

    def _classify_together(self, part: _Part, image: Array, submit: _Submit) -> _Floats:
        """Compute an image's logits in this thread's arena, with the help of others."""
        arena, image = self._own_arena(), np.ascontiguousarray(image)
        address = image.ctypes.data
        arena.images = number = arena.images + 1
        self._begin_image(arena.address, number)
        try:
            for thread in range(1, self._sizes.threads):
                # The image is kept for as long as others may read it.
                submit(self._compute_part, part, arena, image, (address, thread, number))
            self._compute_part(part, arena, image, (address, 0, number))
        except BaseException:
            del self._own.arena  # others may still compute in it
            raise
        return arena.logits[:, : self._sizes.classes].copy()

    def _compute_part(
        self, part: _Part, arena: "_Arena", image: Array, numbers: tuple[int, int, int]
    ) -> None:
        """Compute portions of an image: its address, this thread and the image's number."""
        address, thread, number = numbers
        logits = arena.logits_address
        part(arena.address, *self._addresses, address, logits, thread, number, _rest())

    def _run(self, compute: Callable[..., None], image: Array) -> "_Arena":
        """Compute an image's features in this thread's arena."""
        arena = self._own_arena()
        image = np.ascontiguousarray(image)  # kept until the code has read it
        compute(arena.address, *self._addresses, image.ctypes.data)
        return arena

    def _classify(self, arena: "_Arena") -> _Floats:
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
        images: How many images threads have computed in it together.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.images = 0
        self._block = aligned(sizes.arena_bytes, np.uint8)  # kept: the code reads it
        length = sizes.features_pitch * np.dtype(sizes.dtype).itemsize
        self.features = self._block[sizes.features_at :][:length].view(sizes.dtype)
        self.logits = np.empty((1, sizes.logits_pitch), np.float32)
        self.address, self.features_address, self.logits_address = (
            each.ctypes.data for each in (self._block, self.features, self.logits)
        )


def _link(code: NativeCode) -> binding.ExecutionEngine:
    """Return what holds the functions of code in memory."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(code.triple)
    machine = target.create_target_machine(codemodel="jitdefault")
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)  # frees machine
    engine.add_object_file(binding.ObjectFileRef.from_data(code.functions))
    engine.finalize_object()
    return engine


@cache
def _rest() -> int | None:
    """Return the address of the function by which a thread offers its core to others, if any."""
    windows = sys.platform == "win32"
    library, name = ("kernel32", "SwitchToThread") if windows else (None, "sched_yield")
    try:
        function = getattr(ctypes.CDLL(library), name)
    except (AttributeError, OSError, TypeError):
        return None
    return ctypes.cast(function, ctypes.c_void_p).value


def _checked(values: Array, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Array:
    """Return values of the type and shape that the code reads.

    Raises:
        SpecError: they are others.
    """
    if values.dtype != dtype or values.shape != shape:
        actual = f"{values.dtype} {values.shape}"
        raise SpecError("the array to compute", actual, f"{np.dtype(dtype)} {shape}")
    return values


def _at_cache_line(values: Array) -> Array:
    """Return values, or a copy of them, that begin at a cache line."""
    if values.ctypes.data % LINE_BYTES == 0:
        return values
    block = aligned(len(values), values.dtype)
    block[:] = values
    return block
