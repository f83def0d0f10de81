"""WebAssembly modules that share their weights: code apart from data."""

import hashlib
import json
from collections.abc import Iterator, Mapping

from shufflenet.files import read_leb128, wasm_sections

__all__ = ["split"]

_HEADER_BYTES = 8
_CUSTOM, _DATA, _DATA_COUNT = 0, 11, 12  # kinds of sections
_SECTION = "shufflenet"  # the custom section that says where the data of a module belong


def split(modules: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return modules without their data, and one file of the data of all.

    A block of data that several modules have is in the file once. The file's name has a digest, and
    each module names it, so that code never meets the weights of another version. The custom
    section ``shufflenet`` of a module is JSON: ``weights``, the file's name; and ``segments``, for
    each block its address in memory, its place in the file and its length, in bytes.

    Args:
        modules: What ``wasm-ld`` linked, by the names of the files.
    """
    places: dict[bytes, int] = {}
    weights = bytearray()
    code: dict[str, bytes] = {}
    segments: dict[str, list[tuple[int, int, int]]] = {}
    for name, module in modules.items():
        code[name] = module[:_HEADER_BYTES]
        segments[name] = []
        for kind, whole, at in wasm_sections(module):
            if kind == _DATA:
                for address, block in _blocks(module, at):
                    if block not in places:
                        places[block] = len(weights)
                        weights += block
                    segments[name].append((address, places[block], len(block)))
            elif kind != _DATA_COUNT:
                code[name] += whole
    data = f"weights-{hashlib.sha256(weights).hexdigest()[:12]}.bin"
    for name in code:
        about = json.dumps({"weights": data, "segments": segments[name]}, separators=(",", ":"))
        code[name] += _custom_section(about.encode())
    return {**code, data: bytes(weights)}


def _blocks(module: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the address and the bytes of each block of a section of data that begins at a byte."""
    count, at = read_leb128(module, at)
    for _ in range(count):
        # Three bytes that say: memory 0, at a constant, that ends; between them the constant.
        address, at = read_leb128(module, at + 2)
        length, at = read_leb128(module, at + 1)
        yield address, module[at : at + length]
        at += length


def _custom_section(content: bytes) -> bytes:
    name = _SECTION.encode()
    content = bytes([len(name)]) + name + content
    return bytes([_CUSTOM]) + _leb128(len(content)) + content


def _leb128(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
