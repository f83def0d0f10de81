"""A set of labelled images, and what is made of one: parts, other numbers, pixels."""

import mmap
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    ClassNameNotText,
    DataUnreadable,
    ImageError,
    TooFewToSplit,
    UnknownClassFolders,
)
from shufflenet.preprocess import decode, resize_and_crop
from shufflenet.spec import Preprocess

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSet",
    "Sample",
    "check_text",
    "is_image",
    "load",
    "relabel",
    "split",
]

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file and its class: ``size`` bytes from ``offset`` of ``path``, or all of it."""

    name: str
    label: int
    path: str
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        """Read the bytes of the image file.

        Raises:
            DataError: the file cannot be read any more.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            raise DataUnreadable(self.path, error.strerror) from error

    def view(self) -> memoryview:
        """Look at the bytes of an image in an archive where they lie, which copies nothing.

        The archive must not shrink as long as they are looked at.

        Raises:
            DataError: the archive cannot be read any more.
        """
        try:
            content = memoryview(_mapped(self.path))
        except (OSError, ValueError) as error:  # ValueError: it is empty
            raise DataUnreadable(self.path, error) from error
        return content[self.offset : self.offset + self.size]


@lru_cache(maxsize=256)  # each holds a file open, and a process may hold about a thousand
def _mapped(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@dataclass(frozen=True)
class ImageSet:
    """Labelled images; ``Sample.label`` is an index into ``classes``."""

    source: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    spool: Any = field(default=None, repr=False, compare=False)  # open while the set is in use

    def __len__(self) -> int:
        return len(self.samples)


def is_image(name: str) -> bool:
    """Say whether a path, with slashes, ends as an image's does and no part of it is hidden."""
    hidden = name.startswith(".") or "/." in name
    return not hidden and posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES


def check_text(source: str, classes: Iterable[str]) -> None:
    """Refuse names that a card, which is UTF-8, cannot hold.

    Raises:
        DataError: a name holds bytes that are no UTF-8.
    """
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ClassNameNotText(source, os.fsencode(name)) from error


def relabel(images: ImageSet, classes: Sequence[str], index: dict[str, int]) -> ImageSet:
    """Number the labels as a model does: ``index`` maps a class folder's name to its number.

    Args:
        images: The set to relabel.
        classes: The model's classes, in its order.
        index: The number of every folder name that the model knows; several names may share one.

    Raises:
        DataError: a folder bears a name that the model does not know.
    """
    unknown = [name for name in images.classes if name not in index]
    if unknown:
        raise UnknownClassFolders(images.source, unknown, classes)
    numbers = [index[name] for name in images.classes]
    samples = tuple(replace(sample, label=numbers[sample.label]) for sample in images.samples)
    return replace(images, classes=tuple(classes), samples=samples)


def split(images: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Part a set in two, class by class: what stays, and about ``fraction`` of every class.

    Raises:
        DataError: a class has a single image, which cannot be on both sides.
    """
    counts = Counter(sample.label for sample in images.samples)
    single = [images.classes[label] for label, count in counts.items() if count < 2]
    if single:
        raise TooFewToSplit(images.source, single[0])
    taken = set[int]()
    labels = np.array([sample.label for sample in images.samples])
    for label, count in sorted(counts.items()):
        order = np.random.default_rng((seed, label)).permutation(np.flatnonzero(labels == label))
        taken.update(order[: max(1, round(count * fraction))].tolist())
    kept = tuple(s for i, s in enumerate(images.samples) if i not in taken)
    held_out = tuple(s for i, s in enumerate(images.samples) if i in taken)
    return replace(images, samples=kept), replace(images, samples=held_out)


def load(source: Path | Sample, how: Preprocess) -> npt.NDArray[np.uint8] | ImageError:
    """Give an image decoded and cropped, ``(crop_px, crop_px, 3)``, or the reason why not."""
    try:
        if isinstance(source, Sample):
            return resize_and_crop(decode(source.read(), source.name, exif=how.exif), how)
        return resize_and_crop(decode(source, exif=how.exif), how)
    except ImageError as error:
        return error
