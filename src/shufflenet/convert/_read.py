"""Reading files of other projects without running anything in them."""

import errno
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from shufflenet.convert._onnx_file import read_onnx
from shufflenet.convert._pickled_values import NotNumbers, Stored, Unsafe
from shufflenet.convert._torch_file import Quantized, read_torch_file
from shufflenet.convert._weight_sets import WeightSet, find_sets, is_averaged, whole_network
from shufflenet.errors import (
    AlreadyConverted,
    ArrayUnreadable,
    FileMissing,
    FileTooLarge,
    FileUnreadable,
    ForeignFileDamaged,
    NoArrays,
    NoDictionary,
    NoSuchKey,
    NotAFile,
    OtherKind,
    QuantizedSource,
    SeveralSets,
    UnsafeContent,
    WholeNetwork,
)
from shufflenet.outside import IrregularFile, folder_kind, kind_of, open_regular
from shufflenet.spec import CARD_KEY, MAX_MODEL_BYTES

if TYPE_CHECKING:
    import onnx

__all__ = ["Arrays", "ForeignFile", "foreign_errors", "read_foreign"]

Arrays: TypeAlias = dict[str, npt.NDArray[np.generic]]

# What the readers raise on damaged files, found by reading such files.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    SafetensorError,
)

_COPIES = 4  # how often its own size the arrays of a file may have: some are stored once for two


@dataclass(frozen=True, eq=False, slots=True)
class ForeignFile:
    """What was read of another project's file.

    Attributes:
        arrays: Its arrays by name, without a prefix that all of them have.
        model: The whole of an ONNX file, so that it is parsed once; None for other files.
        prefix: What was taken away from the arrays' names.
        others: The names of arrays beside the network's, which are left out.
        key: The name of the set of weights that was taken, where there are several; or empty.
        not_taken: The names of the other sets.
        averaged: Whether the weights are averages over the steps of a training.
    """

    arrays: Arrays
    model: "onnx.ModelProto | None" = None
    prefix: str = ""
    others: tuple[str, ...] = ()
    key: str = ""
    not_taken: tuple[str, ...] = ()
    averaged: bool = False


def read_foreign(path: str | Path, key: str | None = None) -> ForeignFile:
    """Read the arrays of a file by name, and skip everything else in it.

    Whether it is a safetensors file, an ONNX file, or what ``torch.save`` or ``paddle.save`` writes
    is told by its content.

    Args:
        path: The file.
        key: Which of several sets of weights to take; averaged ones unless given.

    Raises:
        FileMissing: there is no such file.
        FileTooLarge: it is larger than any file of weights that is read.
        FileUnreadable: it cannot be read.
        ForeignFileDamaged: no reader understands the file to its end.
        NoArrays: the file holds no named arrays.
        NoSuchKey: it has no set of weights of that key.
        NotAFile: the path leads to a folder, a pipe, a device or a socket.
        OtherKind: it is a model of another library, or another file than one of weights.
        QuantizedSource: the file's tensors are of torch's int8 engine.
        SeveralSets: it holds several sets of weights, and nothing tells which to take.
        UnsafeContent: a pickle names functions or classes that weights do not need.
        WholeNetwork: it holds an object of a class, not its weights.
        CheckpointError: an ONNX file computes in int8 or stores its weights elsewhere, or the file
            is a checkpoint of this package.
    """
    path = Path(path)
    with foreign_errors(path), open_regular(path, MAX_MODEL_BYTES) as stream:
        return _read(path, stream, key)


@contextmanager
def foreign_errors(path: Path) -> Iterator[None]:
    """Raise what opening and reading another project's file may raise as errors of this package.

    Raises:
        FileMissing: there is no such file.
        FileTooLarge: it is larger than any file of weights that is read.
        FileUnreadable: it cannot be read.
        ForeignFileDamaged: no reader understands the file to its end.
        NotAFile: the path leads to a folder, a pipe, a device or a socket.
        OtherKind: it is of a kind that is known and not read.
        QuantizedSource: the file's tensors are of torch's int8 engine.
        UnsafeContent: a pickle names functions or classes that weights do not need.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    except IrregularFile as error:
        if kind := folder_kind(path):
            raise OtherKind(path, kind.what, kind.remedy) from error
        raise NotAFile(path) from error
    except PermissionError as error:
        raise FileUnreadable(path, error.strerror or str(error)) from error
    except Unsafe as error:
        raise UnsafeContent(path, error) from error
    except Quantized as error:
        raise QuantizedSource(path, error) from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            raise FileTooLarge(path, error.strerror) from error
        raise ForeignFileDamaged(path, error) from error


def _read(path: Path, stream: BinaryIO, key: str | None) -> ForeignFile:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    kind = kind_of(stream)
    if kind is not None and not kind.weights:
        raise OtherKind(path, kind.what, kind.remedy)
    suffix = kind.suffix if kind else path.suffix.lower()
    if suffix == ".safetensors":
        return _choose(path, find_sets(_read_safetensors(path)), key, _COPIES * size)
    if suffix == ".onnx":
        model, stored = read_onnx(path)
        return replace(_choose(path, find_sets(stored), key), model=model, others=())
    saved = read_torch_file(stream)
    sets = find_sets(saved)
    if sets:
        return _choose(path, sets, key, _COPIES * size)
    if whole := whole_network(saved):
        raise WholeNetwork(path, whole)
    raise NoArrays(path) if isinstance(saved, Mapping) else NoDictionary(path)


def _read_safetensors(path: Path) -> dict[str, object]:
    def read(name: str) -> npt.NDArray[np.generic]:
        with safe_open(str(path), framework="pt") as file:  # NumPy has no bfloat16
            tensor = file.get_tensor(name)
        floats = tensor.dtype.is_floating_point
        if (floats and tensor.dtype.itemsize == 1) or tensor.is_complex():
            raise NotNumbers(f"numbers of {tensor.dtype}")
        if not (floats and tensor.dtype.itemsize == 2):
            return tensor.numpy()  # type: ignore[no-any-return]  # torch's stubs
        return tensor.float().numpy()  # type: ignore[no-any-return]  # likewise

    with safe_open(str(path), framework="pt") as file:
        if CARD_KEY in (file.metadata() or {}):
            raise AlreadyConverted(path)
        return {name: Stored(partial(read, name)) for name in file.keys()}  # noqa: SIM118  # no mapping


def _choose(
    path: Path, sets: list[WeightSet], key: str | None, limit_bytes: int | None = None
) -> ForeignFile:
    """Read the set that a user named, else the averaged one, else the only one.

    Raises:
        NoArrays: there is none.
        SeveralSets: there is no one such.
        NoSuchKey: there is none of that name.
    """
    if not sets:
        raise NoArrays(path)
    names = [one.name for one in sets]
    averaged = [one for one in sets if is_averaged(one, set(names))]
    if key is not None and key not in names:
        raise NoSuchKey(path, key, [name for name in names if name])
    named = [one for one in sets if one.name == key]
    candidates = named or averaged or sets
    if len(candidates) > 1:
        raise SeveralSets(path, [one.name for one in candidates])
    (chosen,) = candidates
    return ForeignFile(
        _arrays(path, chosen, limit_bytes),
        prefix=chosen.prefix,
        others=chosen.others,
        key=chosen.name if len(sets) > 1 else "",
        not_taken=tuple(name for name in names if name != chosen.name),
        averaged=chosen in averaged,
    )


def _arrays(path: Path, chosen: WeightSet, limit_bytes: int | None) -> Arrays:
    """Read the arrays of a set, which are views of what is stored.

    Raises:
        ArrayUnreadable: one is of a kind that no weights are of.
        Unsafe: together they have more bytes than the limit.
    """
    arrays: Arrays = {}
    left = math.inf if limit_bytes is None else limit_bytes
    for name, stored in chosen.arrays.items():
        try:
            array = stored.read()
        except NotNumbers as error:
            raise ArrayUnreadable(path, chosen.prefix + name, error) from error
        left -= array.nbytes
        if left < 0:
            raise Unsafe("arrays that are together larger than the file")
        arrays[name] = _widen_bfloat16(array)
    return arrays


def _widen_bfloat16(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Convert bfloat16, which ``paddle.save`` writes as uint16, to float32.

    Source: paddle 3.3.1, where such tensors become NumPy arrays of uint16
    """
    if array.dtype != np.uint16:
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)
