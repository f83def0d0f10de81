"""An index beside a shard, which spares going through the shard to know what lies in it.

It is the one DALI reads: ``000000.idx`` beside ``000000.tar``, of a line ``v1.2 SAMPLES`` and a
line for every sample, with suffix, offset, size and name of each of its files.

Source: NVIDIA DALI, tools/wds2idx.py.
"""

import logging
import os
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["Member", "read_index", "write_index"]

_log = logging.getLogger(__name__)
_VERSION = "v1.2"
_BLOCK = tarfile.BLOCKSIZE
_LOOKED_AT = 16  # members, and the last


class Member(NamedTuple):
    """A file of an archive: ``size`` bytes from ``offset``."""

    name: str
    offset: int
    size: int


def write_index(shard: Path, samples: Iterable[Sequence[Member]]) -> None:
    """Write the index of a shard, its members sample by sample; names hold no white space."""
    lines = [" ".join(map(_words, sample)) for sample in samples]
    with shard.with_suffix(".idx").open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in (f"{_VERSION} {len(lines)}", *lines))
        file.flush()
        os.fsync(file.fileno())


def _words(member: Member) -> str:
    _, _, suffix = member.name.rpartition("/")[2].partition(".")
    return f"{suffix} {member.offset} {member.size} {member.name}"


def read_index(shard: Path, content: BinaryIO) -> list[Member] | None:
    """List the members of a shard by the index beside it.

    Returns:
        None where there is no index, or, with a warning, where it does not fit ``content``.
    """
    path = shard.with_suffix(".idx")
    try:
        members = _parsed(path.read_text(encoding="utf-8", errors="surrogateescape"))
        if _fits(members, content):
            return members
    except FileNotFoundError:
        return None
    except (OSError, ValueError, tarfile.TarError):
        pass  # unreadable, no index, or of another archive
    _log.warning(
        "%r does not fit its archive and is passed over. Make it anew or delete it.", str(path)
    )
    return None


def _parsed(text: str) -> list[Member]:
    head, *lines = text.removesuffix("\n").split("\n")
    version, samples = head.split(" ")
    words = " ".join(lines).split(" ")
    if version != _VERSION or int(samples) != len(lines) or len(words) % 4:
        raise ValueError
    return list(map(Member, words[3::4], map(int, words[1::4]), map(int, words[2::4])))


def _fits(members: Sequence[Member], content: BinaryIO) -> bool:
    """Compare some members with what the archive says, and see that it ends after the last."""
    length = content.seek(0, os.SEEK_END)
    if not all(m.offset >= _BLOCK and 0 <= m.size <= length - m.offset for m in members):
        return False
    looked_at = [*members[:: -(-len(members) // _LOOKED_AT)], members[-1]]
    last = members[-1]
    content.seek(last.offset + last.size + -last.size % _BLOCK)
    at_end = content.read(_BLOCK) == bytes(_BLOCK)
    return at_end and all(_is_there(member, content) for member in looked_at)


def _is_there(member: Member, content: BinaryIO) -> bool:
    """Compare with the header before a member, in which a long name is cut short."""
    content.seek(member.offset - _BLOCK)
    header = tarfile.TarInfo.frombuf(content.read(_BLOCK), "utf-8", "surrogateescape")
    named = member.name.startswith(header.name) or not member.name.isascii()
    return named and header.isfile() and header.size == member.size
