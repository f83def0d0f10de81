"""Files of other projects, read without running anything that is in them."""

import codecs
import io
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as parse

from shufflenet.errors import CheckpointError

__all__ = ["Arrays", "read_arrays"]

Arrays: TypeAlias = dict[str, npt.NDArray[np.generic]]

# What damaged files make torch and pickle raise, found by feeding them such files.
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ImportError,
    MemoryError,
    OverflowError,
    struct.error,
    AssertionError,
)

# Where training scripts put the weights inside a file: MMPretrain and Megvii use the first.
_WRAPPERS = ("state_dict", "model", "model_state_dict", "net")


def read_arrays(path: str | Path) -> Arrays:
    """Read the arrays of a file by name; what is no array is left out.

    The file is what torch saves, unless it ends in ``.pdparams``, ``.onnx`` or ``.safetensors``.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or holds objects other
            than arrays and plain values; or numbers that are none.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(path, what, "Name a file of weights.")
    readers = {".onnx": _read_onnx, ".safetensors": _read_safetensors, ".pdparams": _read_paddle}
    arrays = readers.get(path.suffix, _read_torch)(path)
    if not arrays:
        raise CheckpointError(path, "holds no named arrays", "Name a file of weights.")
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise CheckpointError(
                path, f"holds infinities or NaN in {name!r}", "Get the file once more."
            )
    return arrays


def _damage(error: Exception) -> tuple[str, str]:
    reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:200]
    return f"cannot be read ({reason})", "It may have been cut short: get it once more."


def _read_safetensors(path: Path) -> Arrays:
    try:
        return dict(parse(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(path, *_damage(error)) from error


def _read_torch(path: Path) -> Arrays:
    _refuse_compressed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how old a file is, which its user cannot help
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "WeightsUnpickler error" in str(error) or "weights_only" in str(error).lower():
            raise CheckpointError(
                path,
                "holds more than arrays and plain values, and reading it could run what is in it",
                "Save only the weights: torch.save(net.state_dict(), FILE).",
            ) from error
        raise CheckpointError(path, *_damage(error)) from error
    except _DAMAGE as error:
        raise CheckpointError(path, *_damage(error)) from error
    return _arrays_of(_unwrapped(loaded), path)


def _refuse_compressed(path: Path) -> None:
    """Torch stores tensors as they are: a file that unpacks to more than itself is a bomb.

    Raises:
        CheckpointError: it is one, or cannot be opened.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise CheckpointError(path, *_damage(error)) from error
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            path, f"would unpack to {unpacked:,} bytes", "Files of weights are not compressed."
        )


def _unwrapped(loaded: object) -> object:
    if isinstance(loaded, Mapping):
        for wrapper in _WRAPPERS:
            if isinstance(loaded.get(wrapper), Mapping):
                return loaded[wrapper]
    return loaded


def _arrays_of(loaded: object, path: Path) -> Arrays:
    if not isinstance(loaded, Mapping):
        remedy = "Save a dictionary of them: torch.save(net.state_dict(), FILE)."
        raise CheckpointError(path, "holds no dictionary of arrays", remedy)
    arrays: Arrays = {}
    for name, value in loaded.items():
        if isinstance(value, torch.Tensor):
            if value.is_quantized:
                raise CheckpointError(
                    path,
                    f"is quantised ({name!r} holds integers with scales)",
                    "Convert the file of the float network that it was made from.",
                )
            half = (
                value.dtype == torch.bfloat16
            )  # NumPy has no such numbers; float32 holds them all
            arrays[str(name)] = (value.float() if half else value).detach().contiguous().numpy()
        elif isinstance(value, np.ndarray):
            arrays[str(name)] = value
    return arrays


# All that a dictionary of NumPy arrays needs; ``_codecs.encode`` makes bytes of text.
_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]  # what every pickled array names
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]  # likewise
    ("_codecs", "encode"): codecs.encode,
}


class _ArrayUnpickler(pickle.Unpickler):  # noqa: S301  # it makes nothing but arrays
    """An unpickler that knows NumPy arrays and refuses every other object."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # as pickle declares it
        if (module, name) not in _ALLOWED:
            raise _Forbidden(f"{module}.{name}")
        return _ALLOWED[module, name]


class _Forbidden(pickle.UnpicklingError):
    pass


def _read_paddle(path: Path) -> Arrays:
    """Read what ``paddle.save`` writes: a pickled dictionary of NumPy arrays.

    Raises:
        CheckpointError: it is damaged, or holds anything else.

    Source: paddle 3.3.1, framework/io.py, _legacy_save and _build_saved_state_dict
    """
    try:
        loaded = _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except _Forbidden as error:
        raise CheckpointError(
            path,
            f"holds more than arrays ({error}), and reading it could run what is in it",
            "Save only the weights: paddle.save(net.state_dict(), FILE).",
        ) from error
    except (*_DAMAGE, pickle.UnpicklingError) as error:
        raise CheckpointError(path, *_damage(error)) from error
    return _arrays_of(loaded, path)


def _read_onnx(path: Path) -> Arrays:
    import onnx  # noqa: PLC0415  # only here, and it is slow to import
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # likewise

    try:
        model = onnx.load(path, load_external_data=False)
        arrays: Arrays = {}
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise CheckpointError(
                    path, "keeps its weights in another file", "Save it whole: onnx.save."
                )
            arrays[tensor.name] = onnx.numpy_helper.to_array(tensor)
        for node in model.graph.node:  # torch's exporter writes equal arrays once
            if node.op_type == "Identity" and node.input[0] in arrays:
                arrays[node.output[0]] = arrays[node.input[0]]
    except (DecodeError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(path, *_damage(error)) from error
    kinds = {node.op_type for node in model.graph.node}
    if kinds & {"QLinearConv", "QuantizeLinear", "ConvInteger"}:
        raise CheckpointError(
            path,
            "computes in int8",
            "Use it as it is, or convert the float file that it was made from.",
        )
    return arrays
