"""Archives as images: listed header by header on this machine, or read through as a stream."""

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple, cast

from shufflenet.data._archives import key_of
from shufflenet.data._walk import is_image, is_junk
from shufflenet.data.parts._unit import Unit
from shufflenet.errors import DataUnreadable
from shufflenet.preprocess import LARGEST_FILE_BYTES

__all__ = ["list_archive", "read_archive"]

_LABELS = (".cls", ".json")
_MOST_OF_A_KEY = 64  # files with one key that are looked at together


class _Member(NamedTuple):
    name: str
    offset: int
    size: int
    content: bytes = b""


def list_archive(content: IO[bytes], unit: Unit) -> Iterator[Unit]:
    """List the images of a plain archive as ranges of its bytes.

    Masks and the like, ``0.seg.png`` beside ``0.jpg`` and its label, are left out, as
    ``open_images`` does. Links are listed as empty files, which reading them reports.

    Args:
        content: The archive, or what it was decompressed to.
        unit: The archive; its name goes before those of its images, its version with them.

    Raises:
        DataUnreadable: it cannot be read as an archive, or is truncated.
    """
    try:
        length = content.seek(0, 2)
        content.seek(0)
        with tarfile.open(fileobj=content, mode="r:") as file:
            for each in _without_companions(_members(file, length)):
                yield Unit(
                    unit.name + each.name, unit.at, "range", each.offset, each.size, 1, unit.version
                )
    except DataUnreadable:
        raise
    except Exception as error:  # tarfile raises anything on a stranger's headers
        raise DataUnreadable(unit.at, error, "an archive") from error


def read_archive(content: IO[bytes], unit: Unit) -> Iterator[tuple[str, bytes]]:
    """Read the images of an archive, plain or compressed, from its beginning to its end.

    Raises:
        DataUnreadable: it cannot be read as an archive, or is truncated.
    """
    try:
        with tarfile.open(fileobj=content, mode="r|*") as file:
            for each in _without_companions(_contents(file)):
                yield unit.name + each.name, each.content
    except Exception as error:  # as above
        raise DataUnreadable(unit.at, error, "an archive") from error


def _members(file: tarfile.TarFile, length: int) -> Iterator[_Member]:
    """List the files and links of an archive.

    Raises:
        ValueError: a header leads past the end, or a file is not stored whole.
    """
    end = 0
    while (member := file.next()) is not None:
        _forget_members(file)
        if member.size < 0 or file.offset <= end:
            raise ValueError("a header leads backwards")
        if member.offset_data + member.size > length:
            raise ValueError("unexpected end of data")
        if member.issparse():
            raise ValueError(f"{member.name!r} is stored without its zeros, as `tar --sparse` does")
        end = file.offset
        if member.isfile() or member.islnk() or member.issym():
            size = member.size if member.isfile() else 0
            yield _Member(_plain_name(member.name), member.offset_data, size)


def _plain_name(name: str) -> str:
    """Return a member's name as a path below the archive's root.

    >>> _plain_name("./val/0.jpg"), _plain_name("/val//0.jpg")
    ('val/0.jpg', 'val/0.jpg')
    """
    return posixpath.normpath(name.lstrip("/"))


def _forget_members(file: tarfile.TarFile) -> None:
    """Empty the list of all headers that were read, which tarfile keeps and types do not show."""
    vars(file)["members"].clear()


def _contents(file: tarfile.TarFile) -> Iterator[_Member]:
    while (member := file.next()) is not None:
        _forget_members(file)
        if not (member.isfile() or member.islnk() or member.issym()):
            continue
        content = b""
        if member.isfile() and is_image(member.name):
            opened = cast(IO[bytes], file.extractfile(member))
            content = opened.read(min(member.size, LARGEST_FILE_BYTES + 1))
            if len(content) < min(member.size, LARGEST_FILE_BYTES + 1):
                raise ValueError("unexpected end of data")
        yield _Member(_plain_name(member.name), 0, member.size, content)


def _without_companions(members: Iterable[_Member]) -> Iterator[_Member]:
    """Leave out what is no image, and of files with one key and a label, images besides the first.

    Files with the same key follow one another, as WebDataset has them.
    """
    held: list[_Member] = []
    for each in members:
        if held and (key_of(each.name) != key_of(held[0].name) or len(held) >= _MOST_OF_A_KEY):
            yield from _images_of_a_key(held)
            held = []
        held.append(each)
    yield from _images_of_a_key(held)


def _images_of_a_key(members: list[_Member]) -> list[_Member]:
    images = [m for m in members if is_image(m.name) and not is_junk(m.name)]
    labeled = any(m.name.endswith(_LABELS) for m in members)
    plain = [m for m in images if m.name.rpartition("/")[2].count(".") == 1]
    return plain if labeled and plain else images
