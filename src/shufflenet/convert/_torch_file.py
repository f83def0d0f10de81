"""Reading what ``torch.save`` writes: a pickle that names tensors, and their storages' bytes.

Sources: torch 2.13, serialization.py (_save and _legacy_save) and _utils.py (_rebuild_tensor_v2)
"""

import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from shufflenet.convert._pickle import INERT, Global, Unsafe, read_pickle

__all__ = ["Quantized", "read_torch_file"]

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a file from before torch 1.6

_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class Quantized(ValueError):
    """The tensors are of torch's own int8 engine."""


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    kind: str
    elements: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage, whose bytes have not been read yet."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self, content: bytes) -> npt.NDArray[np.generic]:
        """Copy the tensor, of shape ``(*size,)``, out of its storage's bytes.

        Raises:
            Unsafe: the view extends past the storage, or has more elements than it.
        """
        if self.storage.kind not in _STORAGES:
            raise Unsafe(f"numbers of {self.storage.kind}")
        elements = np.frombuffer(content, _STORAGES[self.storage.kind])
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        counts = (*self.size, *self.stride, self.offset)
        if min(counts) < 0 or prod(self.size) > len(elements) or last >= max(1, len(elements)):
            raise Unsafe("a tensor that is larger than its storage")
        if prod(self.size) == 0:
            return np.zeros(self.size, elements.dtype)
        steps = [n * elements.itemsize for n in self.stride]
        view = np.lib.stride_tricks.as_strided(elements[self.offset :], self.size, steps)
        if self.storage.kind == "BFloat16Storage":  # the upper half of a float32
            return (view.astype(np.uint32) << 16).view(np.float32)
        return view.copy()


def read_torch_file(path: Path) -> object:
    """Read what was saved, with tensors as arrays.

    Raises:
        Unsafe: the file names more than data.
        Quantized: it holds quantized tensors.
        ValueError: it is damaged, or of another format; many other errors mean the same.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive, path.stat().st_size)
    with path.open("rb") as stream:
        first = read_pickle(stream)
        return _read_legacy(stream) if first == _MAGIC else first


def _read_zip(archive: zipfile.ZipFile, file_bytes: int) -> object:
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > file_bytes:  # torch stores bytes uncompressed
        raise Unsafe(f"an archive that would unpack to {unpacked:,} bytes")
    pickled = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickled) != 1:
        raise ValueError("it is an archive, but not one of torch's")
    root = pickled[0].removesuffix("data.pkl")
    with archive.open(pickled[0]) as stream:
        saved = read_pickle(stream, _CALLS, _storage)  # type: ignore[arg-type]  # it reads bytes
    return _fill_in(saved, lambda storage: archive.read(f"{root}data/{storage.key}"))


def _read_legacy(stream: BinaryIO) -> object:
    storages: dict[str, _Storage] = {}

    def remember(key: object) -> object:
        storage = _storage(key)
        if isinstance(storage, _Storage):
            storages[storage.key] = storage
        return storage

    read_pickle(stream)  # the protocol's version
    read_pickle(stream)  # the machine that wrote the file
    saved = read_pickle(stream, _CALLS, remember)
    keys = read_pickle(stream)
    if not isinstance(keys, list):
        raise ValueError("it lists no storages")
    contents = {key: _next_storage(stream, storages[key]) for key in keys}
    return _fill_in(saved, lambda storage: contents[storage.key])


def _next_storage(stream: BinaryIO, storage: _Storage) -> bytes:
    (elements,) = struct.unpack("<q", stream.read(8))
    size = elements * np.dtype(_STORAGES.get(storage.kind, "|u1")).itemsize
    content = stream.read(max(0, size))
    if len(content) != size:
        raise ValueError("it ends within its numbers")
    return content


def _storage(key: object) -> object:
    """Parse ``("storage", kind, key, device, elements, ...)``, which names a storage."""
    if isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage":
        kind, name, elements = key[1], key[2], key[4]
        if isinstance(kind, Global) and isinstance(name, str) and isinstance(elements, int):
            return _Storage(name, kind.name, elements)
    return INERT


def _tensor(
    storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> object:
    if not isinstance(storage, _Storage):
        return storage
    return _Tensor(storage, offset, tuple(size), tuple(stride))


def _quantized(*_: object) -> object:
    raise Quantized("integers with scales")


_CALLS: dict[tuple[str, str], Callable[..., object]] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda tensor, *_: tensor,
    ("torch._utils", "_rebuild_qtensor"): _quantized,
}


def _fill_in(saved: object, content: Callable[[_Storage], bytes]) -> object:
    """Replace the tensors in dictionaries, at any depth, by arrays."""
    if isinstance(saved, _Tensor):
        return saved.array(content(saved.storage))
    if isinstance(saved, Mapping):
        return {key: _fill_in(value, content) for key, value in saved.items()}
    return saved
