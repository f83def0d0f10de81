"""Images made small once, into WebDataset shards that are read many times."""

import io
import json
import logging
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from shufflenet.data._index import Member, write_index
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._shards import CLASSES_KEY, IMAGES_KEY
from shufflenet.errors import DataError, ImageError, NoReadableImages, SpecError, WriteError
from shufflenet.files import PARTIAL
from shufflenet.machine import cores
from shufflenet.preprocess import decode, resized_size

__all__ = ["Packed", "pack"]

_log = logging.getLogger(__name__)
_AT_ONCE = 256  # images in memory
_SHARD_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was written."""

    path: str
    images: int
    unreadable: int
    classes: int
    shards: int
    bytes: int


def pack(
    images: ImageSet,
    to: Path,
    size_px: int,
    *,
    quality: int | None = None,
    shard_bytes: int = _SHARD_BYTES,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Packed:
    """Write images into shards, their shorter side ``size_px`` unless it is shorter already.

    An image is ``NUMBER_NAME.ppm``, raw pixels which cost nothing to decode, and its class the
    number in ``NUMBER_NAME.cls``: tar archives in WebDataset's manner. Names of classes, the
    source and the count of images stand in the archive's global header. Beside every shard of a
    folder lies an index, as DALI has it, by which it is opened at once. Images are upright, and
    resized as ``Image.resize`` with BILINEAR does; so a model that resizes to ``size_px`` in that
    manner, as those trained here do, answers for the shards as for the source.

    Args:
        images: What to pack.
        to: A file, if it ends in ``.tar``; else a folder of ``000000.tar``, ``000000.idx`` and so
            on.
        size_px: The shorter side.
        quality: Makes ``.jpg`` of them instead, of that quality from 1 to 95, a tenth as large;
            a training crop of one takes twice as long or more.
        shard_bytes: Of about which size a folder's shards are.
        on_progress: Called with the number of images done since the last call.

    Raises:
        SpecError: the size or the quality is out of its range.
        WriteError: something is there already, or the disk is full; nothing is left behind.
        DataError: not one image can be read.
    """
    if size_px < 1:
        raise SpecError("size", size_px, "at least 1")
    if quality is not None and not 1 <= quality <= 95:
        raise SpecError("quality", quality, "1 to 95")
    if os.path.lexists(to):
        raise WriteError(to, "it is there already")
    single = to.suffix == ".tar"
    partial = to.with_name(f".{to.name}.{os.getpid()}{PARTIAL}")
    try:
        partial.mkdir(parents=True)
        shards = _Shards(partial, images, None if single else shard_bytes)
        for sample, content in _encoded(images, size_px, quality):
            if content:
                shards.add(sample, content, "ppm" if quality is None else "jpg")
            on_progress(1)
        shards.finish()
        if not shards.images:
            raise NoReadableImages(images.source)
        (shards.path if single else partial).rename(to)
        return Packed(
            path=str(to),
            images=shards.images,
            unreadable=len(images) - shards.images,
            classes=len(images.classes),
            shards=shards.count,
            bytes=shards.bytes,
        )
    except OSError as error:
        raise WriteError(to, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _encoded(
    images: ImageSet, size_px: int, quality: int | None
) -> Iterator[tuple[Sample, bytes | None]]:
    """Give every image made small, on all cores; none for what cannot be read, with a warning."""

    def encoded(sample: Sample) -> bytes | ImageError | DataError:
        try:
            return _small(decode(sample.read(), sample.name), size_px, quality)
        except (ImageError, DataError) as error:
            return error

    with ThreadPoolExecutor(cores()) as pool:
        for first in range(0, len(images), _AT_ONCE):
            group = images.samples[first : first + _AT_ONCE]
            for sample, content in zip(group, pool.map(encoded, group), strict=True):
                if isinstance(content, bytes):
                    yield sample, content
                else:
                    _log.warning("%s It is left out.", content)
                    yield sample, None


def _small(image: Image.Image, size_px: int, quality: int | None) -> bytes:
    if min(image.size) > size_px:
        size = resized_size(image.width, image.height, size_px)
        image = image.resize(size, Image.Resampling.BILINEAR)
    content = io.BytesIO()
    if quality is None:
        image.save(content, "PPM")
    else:
        image.save(content, "JPEG", quality=quality)
    return content.getvalue()


class _Shards:
    """Archives that are being written, one after the other."""

    def __init__(self, folder: Path, images: ImageSet, limit: int | None) -> None:
        self.images = self.bytes = self.count = 0
        self._folder, self._limit = folder, limit
        self._facts = {
            CLASSES_KEY: json.dumps(images.classes),
            "SHUFFLENET.source": Path(images.source).name.encode(errors="replace").decode(),
        }
        self._begin()

    def _begin(self) -> None:
        self.path = self._folder / f"{self.count:06}.tar"
        self.count += 1
        self._first = self.images
        self._index: list[list[Member]] = []
        self._archive = tarfile.open(  # noqa: SIM115  # closed by finish
            self.path, "w", format=tarfile.PAX_FORMAT, pax_headers=self._header(0)
        )

    def _header(self, images: int) -> dict[str, str]:
        return {**self._facts, IMAGES_KEY: f"{images:012}"}

    def add(self, sample: Sample, content: bytes, suffix: str) -> None:
        if self._limit and self.images > self._first and self._archive.offset > self._limit:
            self.finish()
            self._begin()
        # a key ends at its first dot, and a name of an index at its first white space
        stem = re.sub(r"[.\s]", "_", PurePosixPath(sample.name).stem)
        key, members = f"{self.images:08}_{stem}", []
        for name, part in ((f"{key}.{suffix}", content), (f"{key}.cls", b"%d" % sample.label)):
            member = tarfile.TarInfo(name)
            member.size = len(part)
            self._archive.addfile(member, io.BytesIO(part))
            padded = len(part) + -len(part) % tarfile.BLOCKSIZE
            members.append(Member(name, self._archive.offset - padded, len(part)))
        self._index.append(members)
        self.images += 1

    def finish(self) -> None:
        """End the archive, and write its header again, now that the count is known."""
        self._archive.close()
        header = tarfile.TarInfo.create_pax_global_header(self._header(self.images - self._first))
        with self.path.open("r+b") as file:
            file.write(header)
            file.flush()
            os.fsync(file.fileno())
        if self._limit is not None:  # a single file stays single
            write_index(self.path, self._index)
        self.bytes += self.path.stat().st_size
