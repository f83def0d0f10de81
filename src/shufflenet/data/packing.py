"""Writing downscaled images into WebDataset shards, for training runs that read them often."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._shard_writer import ShardWriter
from shufflenet.errors import (
    DataError,
    ImageError,
    NoReadableImages,
    NotInShards,
    SpecError,
    WriteError,
)
from shufflenet.files import partial_folder
from shufflenet.machine import cores
from shufflenet.preprocess import decode, one_image, resized_size

__all__ = ["Encoding", "Packed", "pack"]

_log = logging.getLogger(__name__)
_GROUP = 256  # images in memory
_SHARD_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Encoding:
    """How packed images are stored.

    Attributes:
        size_px: The shorter side; images whose shorter side is less keep their size.
        quality: The JPEG quality, 1 to 95. JPEGs are a tenth as large as raw pixels, but a training
            crop takes at least twice as long to read. None stores raw pixels (``.ppm``).
    """

    size_px: int
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.size_px < 1:
            raise SpecError("size", self.size_px, "at least 1")
        if self.quality is not None and not 1 <= self.quality <= 95:
            raise SpecError("quality", self.quality, "1 to 95")

    @property
    def suffix(self) -> str:
        """The suffix of image files in this encoding, without a dot."""
        return "ppm" if self.quality is None else "jpg"

    def encode(self, image: Image.Image) -> bytes:
        """Return an RGB image as the bytes of an image file, downscaled if it is larger."""
        if min(image.size) > self.size_px:
            size = resized_size(image.width, image.height, self.size_px)
            image = image.resize(size, Image.Resampling.BILINEAR)
        content = io.BytesIO()
        if self.quality is None:
            image.save(content, "PPM")
        else:
            image.save(content, "JPEG", quality=self.quality)
        return content.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was written.

    Attributes:
        path: The file or folder.
        images: The number of images written.
        unreadable: The number of images that could not be read.
        classes: The number of classes.
        shards: The number of archives.
        bytes: The size of all archives.
    """

    path: str
    images: int
    unreadable: int
    classes: int
    shards: int
    bytes: int


def pack(
    images: ImageSet,
    to: Path,
    encoding: Encoding,
    *,
    shard_bytes: int = _SHARD_BYTES,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Packed:
    """Write images into tar archives in WebDataset's format, downscaled.

    An image is stored as ``NUMBER_NAME.ppm`` or ``.jpg``, and its class's number in
    ``NUMBER_NAME.cls``. The archive's global header holds the names of the classes, the source and
    the number of images. In a folder every shard has an index beside it, in DALI's format, with
    which it opens at once. Images are turned upright, and resized as ``Image.resize`` with BILINEAR
    does: a model that resizes to ``size_px`` in that way, as those trained here do, gives the same
    results for raw shards as for the source.

    Args:
        images: The images to pack.
        to: A single archive if it ends in ``.tar``; otherwise a folder of ``000000.tar``,
            ``000000.idx`` and so on.
        encoding: The size and format of the packed images.
        shard_bytes: The approximate size of each shard in a folder.
        on_progress: Called with the number of images done since the last call.

    Raises:
        WriteError: the target exists, or the disk is full; nothing is left behind.
        NoReadableImages: not one image can be read.
        NotInShards: the set is multi-label.
    """
    if images.task == "multi-label":
        raise NotInShards(images.source)
    if os.path.lexists(to):
        raise WriteError(to, "it exists already")
    single = to.suffix.lower() == ".tar"
    with partial_folder(to) as partial:
        writer = ShardWriter(partial, images, None if single else shard_bytes)
        for sample, content in _encode_all(images, encoding):
            if content:
                writer.add(sample, content, encoding.suffix)
            on_progress(1)
        writer.finish()
        if not writer.images:
            raise NoReadableImages(images.source)
        (writer.path if single else partial).rename(to)
    return Packed(
        path=str(to),
        images=writer.images,
        unreadable=len(images) - writer.images,
        classes=len(images.classes),
        shards=writer.count,
        bytes=writer.bytes,
    )


def _encode_all(images: ImageSet, encoding: Encoding) -> Iterator[tuple[Sample, bytes | None]]:
    """Encode every image, on all cores; None for one that cannot be read, with a warning."""

    def encode(sample: Sample) -> bytes | ImageError | DataError:
        try:
            with one_image(sample.name):
                return encoding.encode(decode(sample.read(), sample.name))
        except (ImageError, DataError) as error:
            return error

    with ThreadPoolExecutor(cores()) as pool:
        for first in range(0, len(images), _GROUP):
            group = images.samples[first : first + _GROUP]
            for sample, content in zip(group, pool.map(encode, group), strict=True):
                if isinstance(content, bytes):
                    yield sample, content
                else:
                    _log.warning("%s It is left out.", content)
                    yield sample, None
