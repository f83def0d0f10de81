"""An object file as a static library: an archive of one member, with a table of its functions."""

import struct
from collections.abc import Sequence

__all__ = ["archive"]

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60


def archive(content: bytes, names: Sequence[str]) -> bytes:
    """Return a static library of one object, as linkers of its format read it.

    The same object gives the same bytes: no date, no owner.

    Args:
        content: The object file: ELF, Mach-O, COFF or WebAssembly.
        names: The functions that it defines, without the underscore of Mach-O.

    Sources: System V's archives, as in LLVM 22's lib/Object/ArchiveWriter.cpp; and those of BSD,
    as Apple's linker reads them (mach-o/ranlib.h).
    """
    if content[:4] == b"\xcf\xfa\xed\xfe":
        return _bsd(content, [f"_{name}" for name in names])
    texts = b"".join(name.encode() + b"\0" for name in names)
    size = 4 + 4 * len(names) + len(texts)
    place = len(_MAGIC) + _HEADER_BYTES + size + size % 2
    table = struct.pack(f">I{len(names)}I", len(names), *[place] * len(names)) + texts
    return _MAGIC + _member("/", table) + _member("net.o/", content)


def _bsd(content: bytes, names: Sequence[str]) -> bytes:
    names = sorted(names)
    texts = b"".join(name.encode() + b"\0" for name in names)
    texts += b"\0" * (-len(texts) % 8)
    starts = [sum(len(each) + 1 for each in names[:number]) for number in range(len(names))]

    def table(place: int) -> bytes:
        pairs = [number for start in starts for number in (start, place)]
        numbers = struct.pack(f"<I{len(pairs)}I", 4 * len(pairs), *pairs)
        return numbers + struct.pack("<I", len(texts)) + texts

    place = len(_MAGIC) + len(_bsd_member("__.SYMDEF SORTED", table(0), len(_MAGIC)))
    first = _bsd_member("__.SYMDEF SORTED", table(place), len(_MAGIC))
    return _MAGIC + first + _bsd_member("net.o", content, place)


def _bsd_member(name: str, content: bytes, at: int) -> bytes:
    """Return a member whose content begins at a multiple of eight bytes, as Apple's linker asks."""
    stored = name.encode() + b"\0"
    stored += b"\0" * (-(at + _HEADER_BYTES + len(stored)) % 8)
    content += b"\n" * (-len(content) % 8)
    return _member(f"#1/{len(stored)}", stored + content)


def _member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{len(content):<10}`\n"
    return header.encode() + content + b"\n" * (len(content) % 2)
