"""Listing the images and labels of a tar archive without unpacking it."""

import gzip
import json
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from shufflenet.data._index import Member, read_index
from shufflenet.data._labels import Label
from shufflenet.data._sets import Sample
from shufflenet.data._walk import is_image, is_junk
from shufflenet.errors import DataUnreadable

__all__ = ["Archive", "key_of", "read_archive"]

_LABELS = (".cls", ".json")


@dataclass(frozen=True, slots=True)
class Archive:
    """The images of an archive, their labels if it holds any, and its global header.

    Attributes:
        images: In the order of the archive, without labels.
        others: The names of other files, but not of labels.
        labels: By key, see ``key_of``.
        header: The keywords of the global header.
        spool: The temporary file of a compressed archive's content.
    """

    images: list[Sample] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    labels: dict[str, Label] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    spool: Any = None


def key_of(name: str) -> str:
    """Return what WebDataset calls the key: files with the same key belong together.

    >>> key_of("a.b/c.jpg"), key_of("a.b/c.seg.png")
    ('a.b/c', 'a.b/c')

    Source: webdataset 1.0.2, tariterators.py, base_plus_ext.
    """
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def read_archive(path: Path) -> Archive:
    """List the images of an archive.

    A compressed archive is first decompressed into a temporary file, which is deleted with the
    set, because compressed data cannot be read from the middle.

    Raises:
        DataUnreadable: the archive cannot be read, or is truncated.
    """
    spool = None if path.suffix.lower() == ".tar" else _decompress(path)
    plain = spool.name if spool else str(path)
    try:
        with open(plain, "rb") as content, tarfile.open(fileobj=content, mode="r:") as file:
            members = read_index(path, content) if spool is None else None
            archive = Archive(header=file.pax_headers, spool=spool)
            for member in _members(file) if members is None else members:
                _add(member, content, archive, plain)
            return archive
    except (tarfile.TarError, OSError) as error:
        raise DataUnreadable(path, error, "an archive") from error


def _members(file: tarfile.TarFile) -> Iterator[Member]:
    for member in file:
        if member.isfile():
            yield Member(member.name, member.offset_data, member.size)


def _add(member: Member, content: BinaryIO, archive: Archive, plain: str) -> None:
    name = posixpath.normpath(member.name.lstrip("/"))
    if is_junk(name):
        return
    if is_image(name):
        archive.images.append(Sample(name, -1, plain, member.offset, member.size))
    elif name.endswith(_LABELS):
        content.seek(member.offset)
        label = _label(name, content.read(member.size))
        if label is not None:
            archive.labels[key_of(name)] = label
    else:
        archive.others.append(name)


def _label(name: str, content: bytes) -> Label:
    """Read the label in a file beside an image; None if it holds none."""
    if name.endswith(".json"):
        try:
            value = json.loads(content)
        except ValueError:
            return None
        label = value.get("label", value.get("cls")) if isinstance(value, dict) else None
        return label if isinstance(label, int | str) else None
    text = content.decode("utf-8", "surrogateescape").strip()
    return int(text) if text.removeprefix("-").isdecimal() else text


def _decompress(path: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    spool = tempfile.NamedTemporaryFile(prefix="shufflenet-", suffix=".tar")  # noqa: SIM115  # lives as long as the set
    try:
        with gzip.open(path) as file:
            shutil.copyfileobj(file, spool, 1 << 20)
        spool.flush()
    except (EOFError, zlib.error, OSError) as error:
        spool.close()
        raise DataUnreadable(path, error, "a compressed archive") from error
    return spool
