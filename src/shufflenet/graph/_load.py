"""ONNX files loaded, and refused where their graph means nothing."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from shufflenet.errors import DamagedOnnx, OldOperators, UnsoundOnnx
from shufflenet.files import read_part
from shufflenet.graph._nodes import OLDEST_OPSET, operator_set, read_onnx_graph
from shufflenet.graph._sound import Unsound

__all__ = ["load_onnx", "parse_onnx"]

_MOST_BYTES = 1 << 31  # protobuf holds no more; the largest network takes 1.02 GB in float32


def load_onnx(path: str | Path) -> onnx.ModelProto:
    """Load an ONNX file whose graph ``read_onnx_graph`` reads; it opens no other file.

    Raises:
        DamagedOnnx: the file is not a complete ONNX file.
        FileMissing: there is no such file.
        FileTooLarge: it has more bytes than ONNX files can have.
        FileUnreadable: reading the file fails.
        NotAFile: it is a folder, a pipe or a device.
        OldOperators: it is of operators older than those that are read.
        UnsoundOnnx: its graph means nothing, or has what no exported network has.
    """
    return parse_onnx(read_part(path, _MOST_BYTES), path)


def parse_onnx(content: bytes, path: str | Path) -> onnx.ModelProto:
    """Parse the bytes of an ONNX file, as ``load_onnx`` does, which names its errors.

    Args:
        content: The bytes.
        path: The file, or the name of the model, in errors.

    Raises:
        DamagedOnnx: they are no complete ONNX file.
        OldOperators: it is of operators older than those that are read.
        UnsoundOnnx: the graph means nothing, or has what no exported network has.
    """
    try:
        model = onnx.ModelProto()
        model.ParseFromString(content)
        if (opset := operator_set(model)) is not None and 0 < opset < OLDEST_OPSET:
            raise OldOperators(path, opset, OLDEST_OPSET)
        read_onnx_graph(model)
    except DecodeError as error:
        raise DamagedOnnx(path, error) from error
    except Unsound as error:
        raise UnsoundOnnx(path, error) from error
    return model
