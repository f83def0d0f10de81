"""Listing the images and labels of a tar archive without unpacking it."""

import gzip
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from shufflenet.data._index import Member, read_index
from shufflenet.data._labels import Label
from shufflenet.data._sets import Sample
from shufflenet.data._spool import most_bytes, open_spool
from shufflenet.data._walk import is_image, is_junk
from shufflenet.errors import DataUnreadable, NotJson
from shufflenet.outside import open_regular, read_json

__all__ = ["Archive", "decompress", "key_of", "list_archive", "list_members", "read_archive"]

_LABELS = (".cls", ".json")
_LONGEST_LABEL = 1 << 20  # bytes of a file beside an image; a larger one is something else
_MOST_DIGITS = 18  # of a label that is a number

_CHUNK_BYTES = 1 << 20


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
    spool = None if path.suffix.lower() == ".tar" else decompress(path)
    plain = spool.name if spool else str(path)
    try:
        with open_regular(plain) as content, tarfile.open(fileobj=content, mode="r:") as file:
            members = read_index(path, content) if spool is None else None
            archive = Archive(header=file.pax_headers, spool=spool)
            for member in list_members(file) if members is None else members:
                _add(member, content, archive, plain)
            return archive
    except Exception as error:  # tarfile raises anything on a stranger's headers
        raise DataUnreadable(path, error, "an archive") from error


def list_archive(path: Path) -> tuple[dict[str, Sample], Any]:
    """List all files of an archive by name, of the same name the last, without those of systems.

    Returns:
        The files, images or not, as samples, and the temporary file of a compressed archive.

    Raises:
        DataUnreadable: the archive cannot be read, or is truncated.
    """
    spool = None if path.suffix.lower() == ".tar" else decompress(path)
    plain, found = spool.name if spool else str(path), dict[str, Sample]()
    try:
        with open_regular(plain) as content, tarfile.open(fileobj=content, mode="r:") as file:
            for member in list_members(file):
                name = posixpath.normpath(member.name.lstrip("/"))
                if not is_junk(name):
                    found[name] = Sample(name, -1, plain, member.offset, member.size)
    except Exception as error:  # tarfile raises anything on a stranger's headers
        raise DataUnreadable(path, error, "an archive") from error
    return found, spool


def list_members(file: tarfile.TarFile) -> Iterator[Member]:
    """List the files of an archive, and links to files before them as these files.

    Raises:
        ValueError: a header leads backwards or past the end, or a file is not stored whole.
    """
    files, end = dict[str, Member](), 0
    length = cast(BinaryIO, file.fileobj).seek(0, os.SEEK_END)
    for member in file:
        if member.size < 0 or file.offset <= end:
            raise ValueError("a header leads backwards")
        if member.offset_data + member.size > length:
            raise ValueError("unexpected end of data")
        end = file.offset
        name = posixpath.normpath(member.name.lstrip("/"))
        if member.issparse():
            raise ValueError(f"{member.name!r} is stored without its zeros, as `tar --sparse` does")
        if member.isfile():
            files[name] = Member(member.name, member.offset_data, member.size)
            yield files[name]
        elif member.islnk() or member.issym():
            target = member.linkname if member.islnk() else _relative(name, member.linkname)
            linked = files.get(posixpath.normpath(target.lstrip("/")))
            # One that leads elsewhere is listed as an empty file, which reading it reports.
            offset, size = (linked.offset, linked.size) if linked else (member.offset_data, 0)
            yield Member(member.name, offset, size)


def _relative(name: str, target: str) -> str:
    return posixpath.join(posixpath.dirname(name), target)


def _add(member: Member, content: BinaryIO, archive: Archive, plain: str) -> None:
    name = posixpath.normpath(member.name.lstrip("/"))
    if is_junk(name):
        return
    if is_image(name):
        archive.images.append(Sample(name, -1, plain, member.offset, member.size))
    elif name.endswith(_LABELS):
        content.seek(member.offset)
        label = _label(name, content.read(min(member.size, _LONGEST_LABEL)))
        if label is None:
            archive.others.append(name)
        elif not (name.endswith(".json") and key_of(name) in archive.labels):
            archive.labels[key_of(name)] = label  # .cls goes before .json, wherever it stands
    else:
        archive.others.append(name)


def _label(name: str, content: bytes) -> Label:
    """Read the label in a file beside an image; None if it holds none."""
    if name.endswith(".json"):
        try:
            value = read_json(content)
        except NotJson:
            return None
        label = value.get("label", value.get("cls")) if isinstance(value, dict) else None
        return label if isinstance(label, int | str) and not isinstance(label, bool) else None
    text = content.decode("utf-8", "surrogateescape").strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else text


def decompress(path: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    """Decompress an archive into a temporary file, which is deleted with what is returned.

    Raises:
        DataUnreadable: it cannot be read, is truncated, or holds far more than it should.
        ValueError: never; it becomes the former.
    """
    spool = open_spool(".tar")
    try:
        with open_regular(path) as packed, gzip.open(packed) as file:
            limit = most_bytes(path, spool)
            while chunk := file.read(_CHUNK_BYTES):
                if spool.tell() == 0 and not any(chunk[: tarfile.BLOCKSIZE]):
                    raise ValueError("it begins with no file")
                if spool.tell() + len(chunk) > limit:
                    raise ValueError(f"it holds more than {limit / 1e6:.0f} MB")
                spool.write(chunk)
        spool.flush()
    except Exception as error:  # as of a stranger's headers
        spool.close()
        raise DataUnreadable(path, error, "a compressed archive") from error
    return spool
