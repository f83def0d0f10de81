"""Reading files of other projects without running anything in them."""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from shufflenet.convert._pickle import Unsafe
from shufflenet.convert._torch_file import Quantized, read_torch_file
from shufflenet.errors import (
    AlreadyConverted,
    ExternalWeights,
    FileMissing,
    ForeignFileDamaged,
    Int8Source,
    NoArrays,
    NoDictionary,
    NotAFile,
    QuantizedSource,
    UnsafeContent,
    WeightsNotFinite,
)
from shufflenet.spec import CARD_KEY

if TYPE_CHECKING:
    import onnx

__all__ = ["Arrays", "ForeignFile", "read_foreign"]

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

# The keys that training scripts store weights under: MMPretrain and Megvii use the first.
_WRAPPERS = ("state_dict", "model", "model_state_dict", "net")


@dataclass(frozen=True, eq=False, slots=True)
class ForeignFile:
    """What was read of another project's file.

    Attributes:
        arrays: Its arrays by name.
        model: The whole of an ONNX file, so that it is parsed once; None for other files.
    """

    arrays: Arrays
    model: "onnx.ModelProto | None" = None


def read_foreign(path: str | Path) -> ForeignFile:
    """Read the arrays of a file by name, and skip everything else in it.

    Files that end in neither ``.onnx`` nor ``.safetensors`` are read as what ``torch.save`` or
    ``paddle.save`` writes.

    Raises:
        FileMissing: there is no such file.
        ForeignFileDamaged: no reader understands the file to its end.
        NoArrays: the file holds no named arrays.
        NotAFile: the path leads to a folder, a pipe, a device or a socket.
        QuantizedSource: the file's tensors are of torch's int8 engine.
        UnsafeContent: a pickle names functions or classes that weights do not need.
        WeightsNotFinite: an array holds infinities or NaN.
        CheckpointError: an ONNX file computes in int8 or stores its weights elsewhere, or the file
            is a checkpoint of this package.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(path)
    if not path.is_file():
        raise NotAFile(path)
    readers = {".onnx": _read_onnx, ".safetensors": _read_safetensors}
    try:
        file = readers.get(path.suffix, _read_pickled)(path)
    except Unsafe as error:
        raise UnsafeContent(path, error) from error
    except Quantized as error:
        raise QuantizedSource(path, error) from error
    except _DAMAGE as error:
        raise ForeignFileDamaged(path, error) from error
    if not file.arrays:
        raise NoArrays(path)
    for name, array in file.arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise WeightsNotFinite(path, name)
    return file


def _read_safetensors(path: Path) -> ForeignFile:
    with safe_open(str(path), framework="pt") as file:  # NumPy has no bfloat16
        if CARD_KEY in (file.metadata() or {}):
            raise AlreadyConverted(path)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    return ForeignFile(
        {
            name: (t.float() if t.dtype.is_floating_point and t.dtype.itemsize == 2 else t).numpy()
            for name, t in tensors.items()
        }
    )


def _read_pickled(path: Path) -> ForeignFile:
    saved = read_torch_file(path)
    while isinstance(saved, Mapping):
        inner = [saved[name] for name in _WRAPPERS if isinstance(saved.get(name), Mapping)]
        if not inner:
            break
        saved = inner[0]
    if not isinstance(saved, Mapping):
        raise NoDictionary(path)
    arrays = {name: value for name, value in saved.items() if isinstance(value, np.ndarray)}
    return ForeignFile({str(name): _widen_bfloat16(array) for name, array in arrays.items()})


def _widen_bfloat16(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Convert bfloat16, which ``paddle.save`` writes as uint16, to float32.

    Source: paddle 3.3.1, where such tensors become NumPy arrays of uint16
    """
    if array.dtype != np.uint16:
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)


def _read_onnx(path: Path) -> ForeignFile:
    import onnx  # noqa: PLC0415  # only here, and it is slow to import
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # likewise

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    arrays: Arrays = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ExternalWeights(path)
        arrays[tensor.name] = onnx.numpy_helper.to_array(tensor)
    for node in model.graph.node:  # torch's exporter writes equal arrays once
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    kinds = {node.op_type for node in model.graph.node}
    if kinds & {"QLinearConv", "QuantizeLinear", "ConvInteger"}:
        raise Int8Source(path)
    return ForeignFile(arrays, model)
