"""Reading and writing the index of a shard, which makes listing its members fast.

It has the format of NVIDIA DALI: ``000000.idx`` beside ``000000.tar``, with a line ``v1.2 SAMPLES``
and a line for every sample, with suffix, offset, size and name of each of its files.

Source: NVIDIA DALI, tools/wds2idx.py.
"""

import logging
import os
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from shufflenet.outside import read_regular

__all__ = ["Member", "read_index", "write_index"]

_log = logging.getLogger(__name__)
_VERSION = "v1.2"
_BLOCK = tarfile.BLOCKSIZE
_LARGEST_BYTES = 1 << 28  # a shard of two million images
_CHECKED = 16  # members, and the last


class Member(NamedTuple):
    """A file in an archive: ``size`` bytes from ``offset``."""

    name: str
    offset: int
    size: int


def write_index(shard: Path, samples: Iterable[Sequence[Member]]) -> None:
    """Write the index of a shard from its members, grouped by sample; names hold no white space."""
    lines = [" ".join(map(_entry, sample)) for sample in samples]
    with shard.with_suffix(".idx").open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in (f"{_VERSION} {len(lines)}", *lines))
        file.flush()
        os.fsync(file.fileno())


def _entry(member: Member) -> str:
    _, _, suffix = member.name.rpartition("/")[2].partition(".")
    return f"{suffix} {member.offset} {member.size} {member.name}"


def read_index(shard: Path, content: BinaryIO) -> list[Member] | None:
    """List the members of a shard from the index beside it.

    Returns:
        None if there is no index, or, with a warning, if it does not fit ``content``.
    """
    path = shard.with_suffix(".idx")
    try:
        text = read_regular(path, _LARGEST_BYTES).decode("utf-8", "surrogateescape")
        members = _parse(text)
        if _fits(members, content):
            return members
    except FileNotFoundError:
        return None
    except (OSError, ValueError, tarfile.TarError):
        pass  # unreadable, damaged, or of another archive
    _log.warning(
        "%r does not fit its archive and is ignored. Write it again or delete it.", str(path)
    )
    return None


def _parse(text: str) -> list[Member]:
    head, *lines = text.removesuffix("\n").split("\n")
    version, samples = head.split(" ")
    words = " ".join(lines).split(" ")
    if version != _VERSION or int(samples) != len(lines) or len(words) % 4:
        raise ValueError
    return list(map(Member, words[3::4], map(int, words[1::4]), map(int, words[2::4])))


def _fits(members: Sequence[Member], content: BinaryIO) -> bool:
    """Compare some members with the archive, and check that the archive ends after the last."""
    length = content.seek(0, os.SEEK_END)
    if not all(m.offset >= _BLOCK and 0 <= m.size <= length - m.offset for m in members):
        return False
    checked = [*members[:: -(-len(members) // _CHECKED)], members[-1]]
    last = members[-1]
    content.seek(last.offset + last.size + -last.size % _BLOCK)
    at_end = content.read(_BLOCK) == bytes(_BLOCK)
    return at_end and all(_matches_header(member, content) for member in checked)


def _matches_header(member: Member, content: BinaryIO) -> bool:
    """Compare a member with its header in the archive, in which a long name is truncated."""
    content.seek(member.offset - _BLOCK)
    header = tarfile.TarInfo.frombuf(content.read(_BLOCK), "utf-8", "surrogateescape")
    named = member.name.startswith(header.name) or not member.name.isascii()
    return named and header.isfile() and header.size == member.size
