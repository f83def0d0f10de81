"""The symbols of object files: ELF, COFF, Mach-O and WebAssembly, read from their bytes."""

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Symbols(NamedTuple):
    """Names that an object defines for others, and those that it needs."""

    defined: set[str]
    undefined: set[str]


def symbols_of(content: bytes) -> Symbols:
    """Read the symbols that a linker sees."""
    if content[:4] == b"\x7fELF":
        found = _elf(content)
    elif content[:4] == b"\0asm":
        found = _wasm(content)
    elif content[:4] == b"\xcf\xfa\xed\xfe":
        found = _mach_o(content)
    else:
        found = _coff(content)
    named = [(name, is_defined) for name, is_defined in found if name]
    return Symbols({n for n, there in named if there}, {n for n, there in named if not there})


def _text(content: bytes, at: int) -> str:
    return content[at : content.index(b"\0", at)].decode()


def _elf(content: bytes) -> Iterator[tuple[str, bool]]:
    wide = content[4] == 2
    at, size = struct.unpack_from("<Q", content, 40)[0] if wide else 0, 64
    if not wide:
        at, size = struct.unpack_from("<I", content, 32)[0], 40
    count = struct.unpack_from("<H", content, 60 if wide else 48)[0]
    form = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"
    headers = [struct.unpack_from(form, content, at + number * size) for number in range(count)]
    for _, kind, _, _, start, length, link, _, _, entry in headers:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = headers[link][4]
        for place in range(start + entry, start + length, entry):
            name, info, section = struct.unpack_from("<IBxH" if wide else "<I8xBxH", content, place)
            if info >> 4:  # not local
                yield _text(content, names + name), section != 0


def _coff(content: bytes) -> Iterator[tuple[str, bool]]:
    table, count = struct.unpack_from("<II", content, 8)
    strings, number = table + 18 * count, 0
    while number < count:
        raw, section, kind, more = struct.unpack_from("<8s4xh2xBB", content, table + 18 * number)
        zeros, offset = struct.unpack("<II", raw)
        name = raw.rstrip(b"\0").decode() if zeros else _text(content, strings + offset)
        if kind == 2:  # IMAGE_SYM_CLASS_EXTERNAL
            yield name, section != 0
        number += 1 + more


def _mach_o(content: bytes) -> Iterator[tuple[str, bool]]:
    at = 32
    for _ in range(struct.unpack_from("<I", content, 16)[0]):
        command, size = struct.unpack_from("<II", content, at)
        if command == 2:  # LC_SYMTAB
            table, count, strings = struct.unpack_from("<III", content, at + 8)
            for number in range(count):
                name, kind = struct.unpack_from("<IB", content, table + 16 * number)
                if kind & 1:  # N_EXT
                    yield _text(content, strings + name), kind & 0x0E != 0
        at += size


def _wasm(content: bytes) -> Iterator[tuple[str, bool]]:
    """See WebAssembly's tool conventions, Linking.md: the symbol table."""
    at, imports = 8, []
    while at < len(content):
        kind = content[at]
        size, at = _leb(content, at + 1)
        end = at + size
        if kind == 2:
            imports = _imported_functions(content, at)
        elif kind == 0:
            length, start = _leb(content, at)
            if content[start : start + length] == b"linking":
                yield from _wasm_symbols(content, start + length + 1, end, imports)
        at = end


def _imported_functions(content: bytes, at: int) -> list[str]:
    count, at = _leb(content, at)
    names = []
    for _ in range(count):
        _, at = _name(content, at)
        name, at = _name(content, at)
        kind, at = content[at], at + 1
        if kind == 0:
            names.append(name)
            _, at = _leb(content, at)
        elif kind == 3:  # a global: its type, and whether it changes
            at += 2
        else:  # a memory, or a table whose type comes first
            at += kind == 1
            flags, at = _leb(content, at)
            for _ in range(1 + (flags & 1)):
                _, at = _leb(content, at)
    return names


def _wasm_symbols(
    content: bytes, at: int, end: int, imports: list[str]
) -> Iterator[tuple[str, bool]]:
    while at < end:
        part = content[at]
        size, at = _leb(content, at + 1)
        stop = at + size
        if part == 8:
            count, at = _leb(content, at)
            for _ in range(count):
                kind = content[at]
                flags, at = _leb(content, at + 1)
                defined, name = not flags & 0x10, ""
                if kind == 1:
                    name, at = _name(content, at)
                    for _ in range(3 * defined):
                        _, at = _leb(content, at)
                else:
                    number, at = _leb(content, at)
                    if kind != 3 and (defined or flags & 0x40):
                        name, at = _name(content, at)
                    elif kind == 0:
                        name = imports[number]
                if not flags & 2:  # not local
                    yield name, defined
        at = stop


def _name(content: bytes, at: int) -> tuple[str, int]:
    length, at = _leb(content, at)
    return content[at : at + length].decode(), at + length


def _leb(content: bytes, at: int) -> tuple[int, int]:
    """Read a LEB128 number; return it and the byte after it."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
