"""WebAssembly modules as sections.

Source: https://webassembly.github.io/spec/core/binary/modules.html
"""

from collections.abc import Iterator

from shufflenet.errors import SpecError

__all__ = ["read_leb128", "wasm_sections"]

_HEADER = b"\0asm\1\0\0\0"
_MOST_BYTES = 5  # of a number of 32 bits


def wasm_sections(module: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield each section: its kind, all of its bytes, and where its content begins.

    Raises:
        SpecError: it is no module, or is cut short.
    """
    if not module.startswith(_HEADER):
        raise SpecError("a WebAssembly module's first bytes", module[:8], f"{_HEADER!r}")
    begin = len(_HEADER)
    while begin < len(module):
        length, at = read_leb128(module, begin + 1)
        if at + length > len(module):
            raise SpecError("a section's length", length, f"at most {len(module) - at}")
        yield module[begin], module[begin : at + length], at
        begin = at + length


def read_leb128(module: bytes, at: int) -> tuple[int, int]:
    """Return a number of LEB128 that begins at a byte, and where what follows it begins.

    Signed ones are read so too, for addresses are positive.

    Raises:
        SpecError: it does not end within 32 bits, or within the module.
    """
    number = 0
    for place, byte in enumerate(module[at : at + _MOST_BYTES]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise SpecError("a number's end", None, "within five bytes of its beginning, and the module")
