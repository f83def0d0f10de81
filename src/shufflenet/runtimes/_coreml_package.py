"""Core ML packages as classifiers, whatever computes them: one size, one image at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DamagedPackage
from shufflenet.files.mlpackage import ImageInput, Model, TensorType, read_package, sealed_part
from shufflenet.preprocess import Pixels, normalize
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard
from shufflenet.runtimes._inputs import check_batch, check_pixels, to_pixels
from shufflenet.spec import MAX_CROP_PX, Card

__all__ = ["LOGITS", "PackageClassifier", "accepting", "open_package", "read_metadata"]

LOGITS = "logits"

ComputeOne: TypeAlias = Callable[[npt.NDArray[np.generic]], npt.NDArray[np.float32]]
"""Computes logits ``(1, classes)`` of an image: bytes ``(h, w, c)``, or float32 ``(c, h, w)``."""


def read_metadata(path: Path) -> dict[str, str]:
    """Read the texts that a package holds for its users.

    Raises:
        CheckpointError: the package is missing or damaged.
    """
    return read_package(path).metadata()


def open_package(path: Path) -> tuple[Card, Model]:
    """Read a package's card and program.

    Raises:
        CheckpointError: the package is missing, was changed since it was written, or has no card.
        DamagedPackage: it is damaged, or its program is of another network than its card says.
    """
    package = read_package(path)
    card = open_card(path, package.metadata(), sealed_part(package.contents))
    model = package.model()
    shapes = {each.name: each.kind for each in model.results}
    if shapes.get(LOGITS) != TensorType("float32", (1, card.network.classes)):
        raise DamagedPackage(path, "it returns no logits of its card's classes")
    shape = model.input.shape
    if len(shape) != 4 or shape[:2] != (1, card.network.in_channels):
        raise DamagedPackage(path, "it reads other images than its card says")
    if max(shape[2:]) > MAX_CROP_PX:
        raise DamagedPackage(path, f"it reads images of more than {MAX_CROP_PX} px")
    return card, model


@contextmanager
def accepting(path: Path, library: str) -> Iterator[None]:
    """Turn what a library raises of a package's program into one sentence.

    Raises:
        DamagedPackage: the library raised an error.
    """
    try:
        yield
    except Exception as error:  # a stranger's program in a library: any of its errors
        raise DamagedPackage(path, f"{library} refuses its program") from error


class PackageClassifier:
    """A package as a classifier of images of its size, one after the other."""

    def __init__(
        self, path: Path, card: Card, model: Model, compute: ComputeOne, runtime: str
    ) -> None:
        """Use what computes one image.

        Args:
            path: The package.
            card: Its card.
            model: Its program.
            compute: Computes one image; several threads may call it.
            runtime: What computes, as people call it.
        """
        self.card = card
        self._is_image = isinstance(model.input, ImageInput)
        self._sizes, self._compute = FixedSizes.of(model.input.shape), compute
        self._guard = Guard(path, runtime, card.row_shape)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Those that read images as bytes get prepared ones converted back to bytes.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the package cannot be computed, or not to finite logits.
        """
        batch = check_batch(batch, self.card)
        self._sizes.check(batch.shape[2:])
        if self._is_image:
            pixels = to_pixels(batch, self.card.preprocess).transpose(0, 2, 3, 1)
            return self._guard.logits(self._each, np.ascontiguousarray(pixels))
        return self._guard.logits(self._each, batch)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the package cannot be computed, or not to finite logits.
        """
        pixels = check_pixels(pixels, self.card)
        self._sizes.check(pixels.shape[1:3])
        if not self._is_image:
            return self.logits(normalize(pixels, self.card.preprocess))
        return self._guard.logits(self._each, pixels)

    def _each(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        return np.concatenate([self._compute(image) for image in images])
