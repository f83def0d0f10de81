"""What is exported: an ONNX file in memory, and what the network computes of a few images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.export._aside import written_aside
from shufflenet.runtimes import Classifier, OnnxClassifier, load_picture, squares
from shufflenet.spec import Card, Preprocess

__all__ = ["Compute", "Images", "Source", "computing", "file_source", "pictures"]

Images: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
# Maps RGB pixels (n, h, w, 3) or prepared images (n, c, h, w) to logits (n, classes).
Compute: TypeAlias = Callable[[Images], npt.NDArray[np.float32]]

_DRAWN = 2  # images of each kind that are drawn at random


@dataclass(frozen=True, slots=True)
class Source:
    """A network to export.

    Attributes:
        name: The file or the model's name, for errors.
        card: Its card.
        onnx: The network as this package writes it as ONNX.
        compute: Computes the network itself: by torch, or by ONNX Runtime if it came as a file.
    """

    name: str | Path
    card: Card
    onnx: bytes
    compute: Compute


def file_source(path: Path, content: bytes, card: Card) -> Source:
    """Return the source that an ONNX file is, computed by ONNX Runtime.

    Args:
        path: The file, for errors.
        content: Its bytes.
        card: Its card.

    Raises:
        CheckpointError: ONNX Runtime cannot compute it.
        WriteError: the folder of temporary files is full, or there is none.
    """
    with written_aside({path.name: content}) as folder:
        return Source(path, card, content, computing(OnnxClassifier(folder / path.name)))


def computing(classifier: Classifier) -> Compute:
    """Return what computes pixels and prepared images by a classifier."""

    def compute(images: Images) -> npt.NDArray[np.float32]:
        if images.dtype == np.uint8:
            return classifier.logits_from_pixels(images.astype(np.uint8, copy=False))
        return classifier.logits(images.astype(np.float32, copy=False))

    return compute


def pictures(card: Card, size: tuple[int, int], photos: Sequence[Path]) -> Images:
    """Return images to compare on: squares, smooth colors and noise, and the given photos.

    Args:
        card: The network's card, whose preprocessing crops the photos to the longer side of
            ``size``.
        size: The height and width of the images, px.
        photos: Files of images.

    Returns:
        Pixels ``(n, h, w, 3)``; or prepared images ``(n, c, h, w)``, of noise, if the network
        takes no photos of this size.

    Raises:
        ImageError: a photo cannot be read.
    """
    rng, how = np.random.default_rng(0), card.preprocess
    if card.network.in_channels != 3 or (how.mean_image and size != (how.crop_px, how.crop_px)):
        shape = (2 * _DRAWN + 1, card.network.in_channels, *size)
        return rng.standard_normal(shape, np.float32)
    drawn = [squares(*size), *(_smooth(rng, size) for _ in range(_DRAWN))]
    drawn += list(rng.integers(0, 256, (_DRAWN, *size, 3), np.uint8))
    return np.stack([*drawn, *(_cropped(photo, how, size) for photo in photos)])


def _smooth(rng: np.random.Generator, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return an image ``(h, w, 3)`` whose colors change slowly, as those of photos do."""
    colors = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
    return np.asarray(colors.resize(size[::-1], Image.Resampling.BICUBIC))


def _cropped(photo: Path, how: Preprocess, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the center of a photo, ``(h, w, 3)``.

    Raises:
        ImageError: it cannot be read.
    """
    square = load_picture(photo, how)
    if isinstance(square, ImageError):
        raise square
    top, left = ((have - want) // 2 for have, want in zip(square.shape, size, strict=False))
    return square[top : top + size[0], left : left + size[1]]
