"""What a file is, told by its content: what this package reads or converts, and what it does not.

Sources: the formats' own descriptions; for protobuf messages the first fields of ``ModelProto``
(ONNX), ``Model`` (Core ML), ``SavedModel`` and ``GraphDef`` (TensorFlow), ``NetParameter`` (Caffe),
``Checkpoint`` (MindSpore) and ``ProgramDesc`` (Paddle).
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shufflenet.errors import NotOurFormat, OtherKind, OtherSuffix

__all__ = ["FileKind", "check_kind", "folder_kind", "kind_of"]

_OTHER_FILE = "Use the PyTorch or ONNX file that it was made from."
_DOWNLOAD = "Download the file again, and look at what was sent."
_UNPACK = "Unpack it, and name the file of weights in it."


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of files.

    Attributes:
        what: Its name with an article, such as "a TensorFlow Lite model".
        remedy: What to do with one, as a sentence; empty if it is one of the next two.
        weights: Whether it may hold weights that can be converted.
        suffix: That of this package's files of the kind; empty for others.
        opened_as: Another suffix under which such files are opened.
    """

    what: str
    remedy: str = _OTHER_FILE
    weights: bool = False
    suffix: str = ""
    opened_as: str = ""


_TORCH = FileKind("a file of weights", "", weights=True)
_ONNX = FileKind("an ONNX file", "", weights=True, suffix=".onnx")
_SAFETENSORS = FileKind("a safetensors file", "", weights=True, suffix=".safetensors")
_NUMBERS = FileKind("a file of numbers without names, as .bin files of ncnn and OpenVINO are")

# What a file begins with, and where.
_BEGINNINGS: tuple[tuple[int, bytes, FileKind], ...] = (
    (4, b"TFL3", FileKind("a TensorFlow Lite model", opened_as=".tflite")),
    (4, b"ET1", FileKind("an ExecuTorch program", opened_as=".pte")),
    (0, b"7767517\n", FileKind("the text of an ncnn network", opened_as=".param")),
    (0, b"7767517\r\n", FileKind("the text of an ncnn network", opened_as=".param")),
    (0, struct.pack("<I", 7767517), FileKind("an ncnn network")),
    (0, struct.pack("<I", 0x01306B47), FileKind("ncnn's .bin file")),
    (0, struct.pack("<I", 0x000D4B38), FileKind("ncnn's .bin file")),
    (0, struct.pack("<I", 0x0002C056), FileKind("ncnn's .bin file")),
    (0, b"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file, as Keras writes")),
    (0, b"GGUF", FileKind("a GGUF file")),
    (0, b"RKNN", FileKind("a model for Rockchip's processors")),
    (0, b"\x93NUMPY", FileKind("one array of NumPy's")),
    (0, b"version https://git-lfs.github.com/spec/", FileKind(
        "a pointer of Git LFS, not the file itself", "Fetch that: git lfs pull.")),
    (0, b"%PDF", FileKind("a PDF document", _DOWNLOAD)),
    (0, b"\xff\xd8\xff", FileKind("an image", "Name a model here; images are arguments.")),
    (0, b"\x89PNG", FileKind("an image", "Name a model here; images are arguments.")),
    (0, b"GIF8", FileKind("an image", "Name a model here; images are arguments.")),
    (8, b"WEBP", FileKind("an image", "Name a model here; images are arguments.")),
    (4, b"ftypavif", FileKind("an image", "Name a model here; images are arguments.")),
    (4, b"ftyphei", FileKind("an image", "Name a model here; images are arguments.")),
    (0, b"\x1f\x8b", FileKind("compressed by gzip", _UNPACK)),
    (0, b"BZh", FileKind("compressed by bzip2", _UNPACK)),
    (0, b"\xfd7zXZ", FileKind("compressed by xz", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileKind("compressed by zstd", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive", _UNPACK)),
    (0, b"Rar!", FileKind("a RAR archive", _UNPACK)),
    (257, b"ustar", FileKind("a tar archive", _UNPACK)),
    (0, b"\x7fELF", FileKind("a program or a library", opened_as=".so")),
    (0, b"\xcf\xfa\xed\xfe", FileKind("a program or a library for macOS", opened_as=".dylib")),
    (0, b"\0asm", FileKind("a WebAssembly module", opened_as=".wasm")),
    (0, b"!<arch>\n", FileKind("a static library")),
)  # fmt: skip


def kind_of(stream: BinaryIO) -> FileKind | None:
    """Return the kind of a file by its content, or None for one of no known kind.

    Args:
        stream: The file, opened to read; its position is moved to the start.
    """
    stream.seek(0)
    start = stream.read(4096)
    try:
        return _kind(stream, start)
    finally:
        stream.seek(0)


def folder_kind(folder: Path) -> FileKind | None:
    """Return the kind of a folder that is the model of another library, or None."""
    if (folder / "saved_model.pb").is_file():
        return FileKind("a SavedModel of TensorFlow's")
    if folder.suffix == ".mlpackage" and (folder / "Manifest.json").is_file():
        return FileKind("a Core ML package", opened_as=".mlpackage")
    return None


def _kind(stream: BinaryIO, start: bytes) -> FileKind | None:
    if not start:
        return FileKind("empty", "Download, copy or write it again.")
    for place, beginning, kind in _BEGINNINGS:
        if start.startswith(beginning, place):
            return kind
    if start.startswith(b"PK\x03\x04"):
        return _zip_kind(stream)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _TORCH
    if start[8:9] == b"{" and start[:1] not in b"{[<":
        return _SAFETENSORS
    return _text_kind(start) or _protobuf_kind(start) or (_NUMBERS if _numbers(start) else None)


def _zip_kind(stream: BinaryIO) -> FileKind:
    from zipfile import BadZipFile  # noqa: PLC0415  # slow to load, and files are rarely zips

    from shufflenet.outside.zips import open_zip  # noqa: PLC0415  # likewise

    try:
        names = open_zip(stream).namelist()
    except (BadZipFile, OSError):
        return _TORCH  # whose reader says what is wrong with it
    inner = {name.split("/", 1)[-1] for name in names}
    if "constants.pkl" in inner:
        save = "torch.save(torch.jit.load(FILE).state_dict(), OTHER)"
        return FileKind("a TorchScript program", f"Save its weights, and convert them: {save}.")
    if inner & {"archive_format", "serialized_exported_program.json"}:
        save = "torch.save(torch.export.load(FILE).state_dict, OTHER)"
        convert = f"Save its weights, and convert them: {save}."
        return FileKind("a program of torch.export", convert, opened_as=".pt2")
    if "data.pkl" in inner:
        return _TORCH
    if "model.weights.h5" in names:
        return FileKind("a model of Keras")
    if names and all(name.endswith(".npy") for name in names):
        return FileKind("an archive of NumPy's arrays")
    return FileKind("a zip archive of other files", _UNPACK)


def _text_kind(start: bytes) -> FileKind | None:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return FileKind("a web page, sent in place of the file", _DOWNLOAD)
    if text.startswith((b"<?xml", b"<net ")):
        if b"<net " in text:
            return FileKind("the text of an OpenVINO network", opened_as=".xml")
        return FileKind("an XML text", _DOWNLOAD)
    plain = not start.translate(None, bytes(range(32, 127)) + b"\t\r\n")
    return FileKind("a text, not a file of weights", _DOWNLOAD) if plain and text[8:] else None


def _fields(start: bytes) -> list[tuple[int, int | bytes]]:
    """Return the first fields of a protobuf message: numbers, with integers or first bytes."""
    fields: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(start) and len(fields) < 4:
        tag, at = _varint(start, at)
        number, wire = divmod(tag, 8)
        if number == 0 or wire not in (0, 2):
            break
        value, at = _varint(start, at)
        if wire == 0:
            fields.append((number, value))
        else:
            fields.append((number, start[at : at + min(value, 64)]))
            at += value
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            break
    return value, at


def _protobuf_kind(start: bytes) -> FileKind | None:
    fields = _fields(start)
    if len(fields) < 2 and not (fields and start[:1] == b"\x0a"):
        return None
    (first, value), (second, content) = fields[0], (*fields, (0, b""))[1]
    if first == 1 and isinstance(value, int) and 0 < value < 64:
        return _model_kind(second, content)
    if first == 1 and isinstance(value, bytes):
        return _graph_kind(value, second)
    caffe = first == 100 and isinstance(value, bytes) and value[:1] == b"\x0a"
    return FileKind("a Caffe model") if caffe else None


def _model_kind(second: int, content: int | bytes) -> FileKind | None:
    """Return which of ``ModelProto``, ``Model`` and ``SavedModel`` begins with this version."""
    if second == 2 and isinstance(content, bytes) and content[:1] == b"\x0a":
        inner = _fields(content)
        first = inner[0][1] if inner else b""
        tensorflow = isinstance(first, bytes) and first[:1] == b"\x12"
        return FileKind("a SavedModel of TensorFlow's" if tensorflow else "a Core ML model")
    return _ONNX if second in range(2, 15) else None


def _graph_kind(value: bytes, second: int) -> FileKind | None:
    """Return the kind of a message that begins with a name or with a message."""
    if value.startswith(b"\x08\x00\x10"):
        return FileKind("a program of Paddle's", "Use its .pdparams file.")
    if value[:1] == b"\x0a":
        inner = _fields(value)
        operation = inner[1][1] if len(inner) > 1 and inner[1][0] == 2 else 0
        if isinstance(operation, bytes) and operation[:1] == b"\x08":
            return FileKind("a checkpoint of MindSpore's")
        named = isinstance(operation, bytes) and operation.isalnum()
        return FileKind("a frozen graph of TensorFlow's") if named else None
    if value.isascii() and value.decode().isprintable() and second in (2, 3, 100):
        return FileKind("a Caffe model")
    return None


def _numbers(start: bytes) -> bool:
    """Whether a file begins with numbers in float32 of the size of weights."""
    count = min(64, len(start) // 4)
    numbers = struct.unpack_from(f"<{count}f", start)
    plausible = sum(math.isfinite(x) and 1e-12 < abs(x) < 1e4 for x in numbers)
    return count >= 16 and plausible >= 0.8 * count


def check_kind(path: str | Path, stream: BinaryIO, suffix: str = "") -> None:
    """Refuse a file of a known kind that is none of this package's, with what to do with it.

    Args:
        path: Its name in errors.
        stream: The file, opened to read; its position is moved to the start.
        suffix: That of the files which are not refused; none unless given.

    Raises:
        NotOurFormat: it may hold weights, which can be converted.
        OtherKind: it is of a kind that is neither read nor converted.
        OtherSuffix: it is a file of this package's kinds, of another name.
    """
    kind = kind_of(stream)
    if kind is None or (suffix and suffix in (kind.suffix, kind.opened_as)):
        return
    if kind.suffix:
        raise OtherSuffix(path, kind.what, kind.suffix)
    if kind.weights:
        raise NotOurFormat(path)
    raise OtherKind(path, kind.what, kind.remedy)
