"""A set of labeled images: splitting, loading pixels."""

import mmap
import os
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from shufflenet.data._draw_held_out import draw_held_out
from shufflenet.data._findings import Findings
from shufflenet.errors import (
    ClassNameNotText,
    DataUnreadable,
    ImageError,
    TooFewToSplit,
)
from shufflenet.outside import open_regular
from shufflenet.preprocess import (
    LARGEST_FILE_BYTES,
    Pixels,
    decode_as,
    decoded_size,
    read_image_file,
    resize_and_crop,
)
from shufflenet.spec import Preprocess, Task

__all__ = [
    "ImageSet",
    "Sample",
    "check_text",
    "load",
    "split",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file and its label: ``size`` bytes from ``offset`` of ``path``; -1 for all.

    In a multi-label set ``label`` is -1, and ``labels`` has the numbers of all classes that are
    right, ascending; there may be none. So it is where objects are to be detected: ``labels`` has
    the classes of those in the image.
    """

    name: str
    label: int
    path: str
    offset: int = 0
    size: int = -1
    labels: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """Where the image is: its path or, in an archive, its name there."""
        return self.path if self.size < 0 else self.name

    def read(self) -> bytes:
        """Read the bytes of the image file.

        Raises:
            ImageError: it is a file of its own and cannot be read, or is too large.
            DataUnreadable: it is in an archive, which can no longer be read.
        """
        if self.size < 0:
            return read_image_file(self.path, self.name)
        try:
            with open_regular(self.path) as file:
                file.seek(self.offset)
                return file.read(min(self.size, LARGEST_FILE_BYTES + 1))  # decoding refuses more
        except OSError as error:
            raise DataUnreadable(self.path, error.strerror) from error

    def view(self) -> memoryview:
        """Return the bytes of an image in an archive as a view of the mapped file, not a copy.

        The archive must not shrink while the view is in use.

        Raises:
            DataUnreadable: the archive can no longer be read.
        """
        try:
            content = memoryview(_map(self.path))
        except (OSError, ValueError) as error:  # ValueError: it is empty
            raise DataUnreadable(self.path, error) from error
        return content[self.offset : self.offset + self.size]


@lru_cache(maxsize=256)  # each keeps a file open; a process may keep about a thousand open
def _map(path: str) -> mmap.mmap:
    with open_regular(path) as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@dataclass(frozen=True)
class ImageSet:
    """Labeled images.

    Attributes:
        source: The name of the data in errors and records.
        classes: The names of the classes; ``Sample.label`` is an index into them.
        task: ``multi-label`` if any number of classes may be right, which ``Sample.labels`` has.
        samples: The images.
        findings: What was understood of the data, and what of them is not used.
        spool: The temporary file that samples are in, if any; it is deleted with the set.
    """

    source: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    task: Task = "classification"
    findings: Findings = field(default=Findings(), compare=False)
    spool: Any = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.samples)

    def spread(self, most: int) -> list[Sample]:
        """Return at most so many images, evenly over the set."""
        number = min(most, len(self))
        return [self.samples[i * len(self) // number] for i in range(number)]

    @property
    def right(self) -> list[tuple[int, ...]]:
        """The numbers of the right classes of each image: one of each, unless it is multi-label."""
        if self.task != "classification":
            return [sample.labels for sample in self.samples]
        return [(sample.label,) for sample in self.samples]


def check_text(source: str, classes: Iterable[str]) -> None:
    """Check that a card, which is UTF-8, can hold the names of classes.

    Raises:
        ClassNameNotText: a name is not UTF-8.
    """
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ClassNameNotText(source, os.fsencode(name)) from error


def split(images: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split a set class by class into training and held-out images.

    Args:
        images: The set to split.
        fraction: The share of every class that is held out, 0 to 1; at least one image. Of a
            multi-label set, whose classes share images, it is about that: see ``draw_held_out``.
        seed: Seeds the draw of each class.

    Raises:
        TooFewToSplit: a class has a single image, and the set is not multi-label.
    """
    if images.task != "classification":
        return _part(images, draw_held_out(images.right, fraction, seed))
    counts = Counter(sample.label for sample in images.samples)
    single = [images.classes[label] for label, count in counts.items() if count < 2]
    if single:
        raise TooFewToSplit(images.source, single[0])
    drawn = set[int]()
    labels = np.array([sample.label for sample in images.samples])
    for label, count in sorted(counts.items()):
        order = np.random.default_rng((seed, label)).permutation(np.flatnonzero(labels == label))
        drawn.update(order[: max(1, round(count * fraction))].tolist())
    return _part(images, drawn)


def _part(images: ImageSet, drawn: Set[int]) -> tuple[ImageSet, ImageSet]:
    """Return the images whose numbers were not drawn, and those whose were."""
    training = tuple(s for i, s in enumerate(images.samples) if i not in drawn)
    held_out = tuple(s for i, s in enumerate(images.samples) if i in drawn)
    return replace(images, samples=training), replace(images, samples=held_out)


def load(
    source: Path | Sample,
    how: Preprocess,
    *,
    on_size: Callable[[int, int], None] = lambda width, height: None,
) -> Pixels | ImageError:
    """Return an image's cropped pixels, ``(h, w, c)``, or the error of decoding it.

    Args:
        source: The image.
        how: How it is resized and cropped.
        on_size: Called with the width and the height of the upright image, px, once it is decoded.
    """
    try:
        if isinstance(source, Sample):
            image = decode_as(source.read(), how, source.name)
        else:
            image = decode_as(source, how)
        height, width = decoded_size(image)
        on_size(width, height)
        return resize_and_crop(image, how)
    except ImageError as error:
        return error
