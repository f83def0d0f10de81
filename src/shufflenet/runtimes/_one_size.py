"""What files that ``shufflenet compile`` wrote state of themselves, and how they compute images."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    CardUnreadable,
    NotCompiledNetwork,
    SpecError,
    UnsupportedByRuntime,
)
from shufflenet.files import SEAL_KEY, UNSEALED, check_seal
from shufflenet.machine import PerProcess, cores
from shufflenet.outside import read_json, typed
from shufflenet.preprocess import Pixels, normalize, scales_bytes
from shufflenet.runtimes._cards import check_runs
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard
from shufflenet.runtimes._inputs import check_batch, check_pixels
from shufflenet.spec import Card

__all__ = [
    "Compute",
    "OneSize",
    "Proof",
    "Stated",
    "check_sealed",
    "read_proof",
    "read_stated",
    "takes_pixels",
]

_INTERFACE = 1  # the version of the functions that is called here
_MOST_MEMORY_BYTES, _MOST_ALIGNMENT = 1 << 40, 1 << 12

# The hash of a file in what it states of itself.
_SEAL = re.compile(b'"%s": "([0-9a-f]{64})"' % re.escape(SEAL_KEY).encode())

# Computes an image's logits, ``(classes,)``, by one of a file's functions.
Compute: TypeAlias = Callable[[str, npt.NDArray[Any]], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a compiled network states of itself, as its function ``proof`` returns it.

    Attributes:
        interface: The version of its functions.
        channels: Channels of images.
        height: Height of images, px.
        width: Width of images, px.
        classes: The number of classes.
        memory_bytes: Bytes of working memory that each caller gives.
        memory_alignment: What the memory's address is a multiple of.
        image: The image whose logits it holds; empty if it holds none.
        logits: Those logits.
    """

    interface: int
    channels: int
    height: int
    width: int
    classes: int
    memory_bytes: int
    memory_alignment: int
    image: str = ""
    logits: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.interface != _INTERFACE:
            raise SpecError("its interface", self.interface, f"{_INTERFACE} for this version")
        if not 0 < self.memory_bytes < _MOST_MEMORY_BYTES:
            raise SpecError("memory_bytes", self.memory_bytes, "positive, and less than a terabyte")
        if not 0 < self.memory_alignment <= _MOST_ALIGNMENT:
            raise SpecError("memory_alignment", self.memory_alignment, f"1 to {_MOST_ALIGNMENT}")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a compiled network states of itself: its card, and its proof."""

    card: Card
    proof: Proof


def check_sealed(path: str | Path, content: bytes) -> None:
    """Check the hash of itself that a file holds, if it was linked by ``shufflenet compile``.

    Raises:
        ChangedExport: a byte of it was changed.
        NotCompiledNetwork: it has no place for a hash, or several.
    """
    found = set(_SEAL.findall(content))
    if len(found) != 1:
        raise NotCompiledNetwork(path, "is of another version, or damaged")
    stated = found.pop().decode()
    if stated != UNSEALED:  # as in objects, which other linkers make libraries of
        check_seal(path, {SEAL_KEY: stated}, {Path(path).name: content})


def read_proof(path: str | Path, text: bytes | None) -> Proof:
    """Parse what the function ``proof`` of a file returned.

    Raises:
        NotCompiledNetwork: it cannot be read, or is of another version.
    """
    try:
        return typed(read_json(text or b""), Proof, "what it states", ignore_unknown=True)
    except SpecError as error:
        raise NotCompiledNetwork(
            path, f"is of another version: {str(error).rstrip('.')}"
        ) from error


def read_stated(path: str | Path, proof: Proof, card: bytes | None) -> Stated:
    """Parse what the function ``card`` of a file returned, and compare it with its proof.

    Raises:
        CardUnreadable: it cannot be read, or is another network's.
        RunsNoDetectors: it is a detector's.
        UnsupportedByRuntime: the network computes rectangles that its card does not name.
    """
    try:
        stated = Stated(Card.from_json((card or b"").decode()), proof)
    except ValueError as error:  # a SpecError is one
        raise CardUnreadable(path, error) from error
    check_runs(stated.card, path, "Compiled file")
    network, sides = stated.card.network, stated.card.preprocess.size_px
    if proof.height != proof.width and sides != (proof.height, proof.width):
        size = f"images of {proof.width}x{proof.height} px"
        raise UnsupportedByRuntime(path, size, "the runtime of compiled files")
    if (proof.channels, proof.height, proof.width, proof.classes) != (
        network.in_channels,
        *sides,
        network.classes,
    ):
        raise CardUnreadable(path, "it describes another network than the file computes")
    return stated


def takes_pixels(card: Card) -> bool:
    """Return whether a network's file has the function ``logits``, which takes bytes."""
    return scales_bytes(card.preprocess, card.network.in_channels)


class OneSize:
    """Computes images of the one size that a file was compiled for, several at a time.

    Args:
        path: The file.
        stated: What it states of itself.
        compute: Computes an image; several threads call it at once.
        runtime: What computes it, as people call it.
        threads: How many images are computed at a time, each by one thread; one a core, if it is
            None.
    """

    def __init__(
        self, path: str | Path, stated: Stated, compute: Compute, runtime: str, threads: int | None
    ) -> None:
        self._card, self._compute = stated.card, compute
        self._sizes = FixedSizes(None, stated.proof.height, stated.proof.width)
        self._guard = Guard(path, runtime, self._card.row_shape)
        threads = threads or cores()
        pool = partial(ThreadPoolExecutor, threads, "shufflenet-compiled")
        self._pool = PerProcess(pool) if threads > 1 else None

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: it cannot be computed, or logits are not finite.
        """
        batch = check_batch(batch, self._card)
        self._sizes.check(batch.shape[2:])
        return self._guard.logits(partial(self._map, "logits_of_image"), batch)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: they cannot be computed, or logits are not finite.
        """
        pixels = check_pixels(pixels, self._card)
        self._sizes.check(pixels.shape[1:3])
        if not takes_pixels(self._card):
            return self.logits(normalize(pixels, self._card.preprocess))
        return self._guard.logits(partial(self._map, "logits"), pixels)

    def _map(self, function: str, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Compute each image, on the threads of this process."""
        compute = partial(self._compute, function)
        each = self._pool.get().map if self._pool and len(images) > 1 else map
        return np.stack(list(each(compute, images)))
