"""ONNX files loaded, and refused where their graph means nothing."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from shufflenet.errors import DamagedOnnx, UnsoundOnnx
from shufflenet.files import errors_of
from shufflenet.graph._nodes import read_onnx_graph
from shufflenet.graph._sound import Unsound
from shufflenet.outside import read_regular

__all__ = ["load_onnx", "parse_onnx"]

_MOST_BYTES = 1 << 31  # protobuf holds no more; the largest network takes 1.02 GB in float32


def load_onnx(path: str | Path) -> onnx.ModelProto:
    """Load an ONNX file whose graph ``read_onnx_graph`` reads; it opens no other file.

    Raises:
        DamagedOnnx: the file is not a complete ONNX file.
        FileMissing: there is no such file.
        FileUnreadable: reading the file fails, or it is too large.
        NotAFile: it is a folder, a pipe or a device.
        UnsoundOnnx: its graph means nothing, or has what no exported network has.
    """
    with errors_of(path):
        content = read_regular(path, _MOST_BYTES)
    return parse_onnx(content, path)


def parse_onnx(content: bytes, path: str | Path) -> onnx.ModelProto:
    """Parse the bytes of an ONNX file, as ``load_onnx`` does, which names its errors.

    Args:
        content: The bytes.
        path: The file, or the name of the model, in errors.

    Raises:
        DamagedOnnx: they are no complete ONNX file.
        UnsoundOnnx: the graph means nothing, or has what no exported network has.
    """
    try:
        model = onnx.ModelProto()
        model.ParseFromString(content)
        read_onnx_graph(model)
    except DecodeError as error:
        raise DamagedOnnx(path, error) from error
    except Unsound as error:
        raise UnsoundOnnx(path, error) from error
    return model
