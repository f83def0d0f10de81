"""What is exported: an ONNX file in memory, and what the network computes of a few images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.export._aside import written_aside
from shufflenet.preprocess import Pixels, draw_noise
from shufflenet.runtimes import Classifier, OnnxClassifier, check_image, load_picture
from shufflenet.spec import Card, Preprocess

__all__ = ["Compute", "Images", "Source", "computing", "file_source", "is_pixels", "pictures"]

Images: TypeAlias = Pixels | npt.NDArray[np.float32]
# Maps pixels (n, h, w, c) or prepared images (n, c, h, w) to logits (n, classes).
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
        if is_pixels(images):
            return classifier.logits_from_pixels(images)
        return classifier.logits(images.astype(np.float32, copy=False))

    return compute


def is_pixels(images: Images) -> TypeGuard[Pixels]:
    """Return whether images are pixels, and not prepared."""
    return images.dtype != np.float32


def pictures(card: Card, photos: Sequence[Path]) -> Images:
    """Return images to compare on: squares, smooth colors and noise, and the given photos.

    Args:
        card: The network's card, whose preprocessing says what they are like.
        photos: Files of images.

    Returns:
        Pixels ``(n, h, w, c)``; or prepared images ``(n, c, h, w)``, of noise, if the card's
        preprocessing has other channels than its network.

    Raises:
        ImageError: a photo cannot be read.
    """
    rng, how = np.random.default_rng(0), card.preprocess
    if how.in_channels != card.network.in_channels:
        shape = (2 * _DRAWN + 1, card.network.in_channels, *how.size_px)
        return rng.standard_normal(shape, np.float32)
    drawn = check_image(how)
    smooth = np.stack([_smooth(rng, how) for _ in range(_DRAWN)]).astype(drawn.dtype)
    noise = draw_noise(rng, how, _DRAWN)
    loaded = [_loaded(photo, how)[None] for photo in photos]
    return np.concatenate([drawn, smooth, noise, *loaded])


def _smooth(rng: np.random.Generator, how: Preprocess) -> npt.NDArray[np.float32]:
    """Return an image ``(h, w, c)`` whose channels change slowly, as those of photos do."""
    size = how.width_px, how.height_px
    planes = []
    for _ in range(how.in_channels):
        values = Image.fromarray(rng.uniform(0, how.max_value, (5, 5)).astype(np.float32))
        planes.append(np.asarray(values.resize(size, Image.Resampling.BICUBIC)))
    return np.stack(planes, axis=-1).clip(0, how.max_value)


def _loaded(photo: Path, how: Preprocess) -> Pixels:
    """Return what a network takes of a photo, ``(h, w, c)``.

    Raises:
        ImageError: it cannot be read.
    """
    pixels = load_picture(photo, how)
    if isinstance(pixels, ImageError):
        raise pixels
    return pixels
