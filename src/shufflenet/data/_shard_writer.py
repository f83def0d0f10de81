"""Writing WebDataset shards and their indices."""

import io
import json
import os
import re
import tarfile
from pathlib import Path, PurePosixPath

from shufflenet.data._index import Member, write_index
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._shards import CLASSES_KEY, IMAGES_KEY

__all__ = ["ShardWriter"]


class ShardWriter:
    """Archives that are written one after the other, each with an index beside it.

    Attributes:
        path: The archive that is being written, or was written last.
        images: The number of images written.
        count: The number of archives begun.
        bytes: The size of all finished archives.
    """

    def __init__(self, folder: Path, images: ImageSet, limit_bytes: int | None) -> None:
        """Begin the first archive.

        Args:
            folder: Where archives are written: ``000000.tar`` and so on.
            images: The set that will be written; its classes are stored in every archive.
            limit_bytes: A new archive begins after this size; None writes one without an index.
        """
        self.images = self.bytes = self.count = 0
        self._folder, self._limit_bytes = folder, limit_bytes
        self._keywords = {
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
        return {**self._keywords, IMAGES_KEY: f"{images:012}"}

    def add(self, sample: Sample, content: bytes, suffix: str) -> None:
        """Write an image as ``NUMBER_NAME.suffix``, and its label as ``NUMBER_NAME.cls``."""
        full = self._limit_bytes and self._archive.offset > self._limit_bytes
        if full and self.images > self._first:
            self.finish()
            self._begin()
        # A key ends at its first dot, and a name in an index at its first white space.
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
        """Close the archive, and rewrite its header with the number of images, now known."""
        self._archive.close()
        header = tarfile.TarInfo.create_pax_global_header(self._header(self.images - self._first))
        with self.path.open("r+b") as file:
            file.write(header)
            file.flush()
            os.fsync(file.fileno())
        if self._limit_bytes is not None:  # a single file stays single
            write_index(self.path, self._index)
        self.bytes += self.path.stat().st_size
