"""Reading what ``torch.save`` writes: a pickle that names tensors, and their storages' bytes.

Sources: torch 2.13, serialization.py (_save and _legacy_save) and _utils.py (_rebuild_tensor_v2)
"""

import math
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from shufflenet.convert._pickle import read_pickle
from shufflenet.convert._pickled_values import (
    Global,
    Inert,
    NotNumbers,
    QuantizedArray,
    Stored,
    Unsafe,
)
from shufflenet.outside.zips import open_zip

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
    "QInt8Storage": "|i1",
}


class Quantized(ValueError):
    """The tensors are of torch's own int8 engine."""


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    kind: str
    elements: int


@dataclass(slots=True)
class _Storages:
    """The bytes that tensors are views of, each read once, however many views it has.

    Attributes:
        load: Reads the bytes of the storage of that key.
        order: ``<`` or ``>``, the order of bytes in numbers.
        arrays: Those read so far, by key.
    """

    load: Callable[[str], bytes]
    order: Literal["<", ">"] = "<"
    arrays: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)

    def numbers(self, storage: _Storage) -> npt.NDArray[np.generic]:
        """Return a storage's numbers, ``(n,)``, without copying them.

        Raises:
            NotNumbers: they are of a kind that no weights have.
        """
        if storage.kind not in _STORAGES:
            raise NotNumbers(f"numbers of {storage.kind}")
        if storage.key not in self.arrays:
            self.arrays[storage.key] = np.frombuffer(self.load(storage.key), np.uint8)
        dtype = np.dtype(_STORAGES[storage.kind]).newbyteorder(self.order)
        return self.arrays[storage.key].view(dtype)


_MAX_DIMENSIONS = 8  # a weight has 4


def _view(
    storages: _Storages,
    storage: _Storage,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
) -> npt.NDArray[np.generic]:
    """Return the view of a storage that a tensor is, of shape ``(*size,)``.

    Raises:
        NotNumbers: it extends past the storage, or has more elements than it.
    """
    counts: tuple[int, ...] = (*size, *stride, offset)
    whole = all(isinstance(n, int) and 0 <= n < 1 << 63 for n in counts)
    if len(size) > _MAX_DIMENSIONS or not whole:
        raise NotNumbers("an impossible shape")
    elements, total = storages.numbers(storage), math.prod(size)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if total > len(elements) or (total and last >= len(elements)):
        raise NotNumbers("more numbers than are stored: it is larger than its storage")
    if total == 0:
        return np.zeros(size, elements.dtype)
    steps = [n * elements.itemsize for n in stride]
    view = np.lib.stride_tricks.as_strided(elements[offset:], size, steps, writeable=False)
    if storage.kind == "BFloat16Storage":  # the upper half of a float32
        return (view.astype(np.uint32) << 16).view(np.float32)
    return view.astype(view.dtype.newbyteorder("="), copy=False)


def read_torch_file(stream: BinaryIO, *, quantized: bool = False) -> object:
    """Read what was saved, with placeholders for arrays that are read while the stream is open.

    Args:
        stream: The file, from its start.
        quantized: Whether quantized tensors are wanted, as ``QuantizedArray``.

    Raises:
        Unsafe: the file names more than data.
        Quantized: it holds quantized tensors.
        ValueError: it is damaged, or of another format; many other errors mean the same.
    """
    zipped = stream.read(2) == b"PK"
    stream.seek(0)
    if zipped:
        return _read_zip(open_zip(stream), quantized)
    first = read_pickle(stream)
    return _read_legacy(stream, quantized) if first == _MAGIC else first


def _read_zip(archive: zipfile.ZipFile, quantized: bool) -> object:
    pickled = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickled) != 1:
        raise ValueError("it is an archive, but not one of torch's")
    root = pickled[0].removesuffix("data.pkl")
    order = root + "byteorder"
    big = order in archive.NameToInfo and _stored(archive, order) == b"big"
    storages = _Storages(lambda key: _stored(archive, f"{root}data/{key}"), ">" if big else "<")
    with archive.open(pickled[0]) as stream:
        _require_stored(archive, pickled[0])
        return read_pickle(stream, _calls(storages, quantized), _storage)  # type: ignore[arg-type]  # it reads bytes


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    _require_stored(archive, name)
    return archive.read(name)


def _require_stored(archive: zipfile.ZipFile, name: str) -> None:
    """Check that reading an entry takes no more memory than the file has bytes.

    Raises:
        ValueError: it is compressed, and may unpack to more than it says.
    """
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError("it is compressed, as torch's archives never are")


def _read_legacy(stream: BinaryIO, quantized: bool) -> object:
    kinds: dict[str, _Storage] = {}
    contents: dict[str, bytes] = {}

    def remember(key: object) -> object:
        storage = _storage(key)
        if isinstance(storage, _Storage):
            kinds[storage.key] = storage
        return storage

    read_pickle(stream)  # the protocol's version
    read_pickle(stream)  # the machine that wrote the file; numbers are little-endian on any
    saved = read_pickle(stream, _calls(_Storages(contents.__getitem__), quantized), remember)
    keys = read_pickle(stream)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("it lists no storages")
    for key in keys:
        contents[key] = _next_storage(stream, kinds[key])
    return saved


def _next_storage(stream: BinaryIO, storage: _Storage) -> bytes:
    (elements,) = struct.unpack("<q", stream.read(8))
    size = elements * np.dtype(_STORAGES.get(storage.kind, "|u1")).itemsize
    at = stream.tell()
    if not 0 <= size <= stream.seek(0, 2) - at:
        raise ValueError("it ends within its numbers")
    stream.seek(at)
    return stream.read(size)


def _storage(key: object) -> object:
    """Parse ``("storage", kind, key, device, elements, view)``, which names a storage.

    Raises:
        Unsafe: the storage is a part of another, as it was before torch 0.4.
    """
    if isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage":
        kind, name, elements = key[1], key[2], key[4]
        if key[5:] not in ((), (None,)):
            raise Unsafe("views of storages")
        if isinstance(kind, Global) and isinstance(name, str) and isinstance(elements, int):
            return _Storage(name, kind.name, elements)
    return Inert("torch.storage")


def _calls(storages: _Storages, quantized: bool) -> dict[tuple[str, str], Callable[..., object]]:
    """Return what a pickle of torch's may call, and what stands in for it."""

    def tensor(storage: object, offset: Any, size: Any, stride: Any, *_: object) -> object:  # noqa: ANN401  # ``_view`` checks them
        if not (isinstance(storage, _Storage) and isinstance(size, tuple | list)):
            return Inert("torch.Tensor")
        place = (storage.key, offset) if isinstance(offset, int) and offset < 1 << 63 else None
        read = partial(_view, storages, storage, offset, tuple(size), stride)
        return Stored(read, place)

    def subclass(function: object, _: object, arguments: tuple[object, ...], *__: object) -> object:
        plain = isinstance(function, Global) and function.name == "_rebuild_tensor_v2"
        return tensor(*arguments) if plain else Inert("torch.Tensor")

    return {
        ("torch._utils", "_rebuild_tensor"): tensor,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._tensor", "_rebuild_from_type_v2"): subclass,
        ("torch._utils", "_rebuild_tensor_v3"): _with_dtype,
        ("torch._utils", "_rebuild_sparse_tensor"): lambda *_: _unreadable(
            "numbers in a sparse form"
        ),
        ("torch._utils", "_rebuild_meta_tensor_no_storage"): lambda *_: _unreadable("no numbers"),
        ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        ("torch._utils", "_rebuild_parameter_with_state"): lambda tensor, *_: tensor,
        ("torch._utils", "_rebuild_qtensor"): _quantized(tensor) if quantized else _refuse,
    }


def _with_dtype(*arguments: object) -> Stored:
    """Stand in for a tensor of a type that has no storage of its own, the seventh argument."""
    dtype = arguments[6]
    return _unreadable(f"numbers of {dtype if isinstance(dtype, Global) else 'an unknown type'}")


def _unreadable(what: str) -> Stored:
    def read() -> npt.NDArray[np.generic]:
        raise NotNumbers(what)

    return Stored(read)


def _refuse(*_: object) -> object:
    raise Quantized("integers with scales")


def _quantized(tensor: Callable[..., object]) -> Callable[..., object]:
    """Return what stands in for a quantized tensor, of which ``tensor`` reads the integers.

    Source: torch 2.13, _utils.py (``_rebuild_qtensor``)
    """

    def rebuild(storage: object, offset: object, size: Any, stride: object, *rest: Any) -> object:  # noqa: ANN401  # checked when read
        stored = tensor(storage, offset, size, stride)
        scheme, scale, zero_point, *axis = rest[0]
        if not isinstance(stored, Stored) or not isinstance(scheme, Global):
            return stored
        return QuantizedArray(stored, scale, zero_point, axis[0] if axis else 0, tuple(size))

    return rebuild
