"""ONNX files loaded, and refused where their graph means nothing."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from shufflenet.errors import DamagedOnnx, FileMissing, FileUnreadable, NotAFile, UnsoundOnnx
from shufflenet.graph._nodes import read_onnx_graph
from shufflenet.graph._sound import Unsound
from shufflenet.outside import IrregularFile, read_regular

__all__ = ["load_onnx"]

_MOST_BYTES = 1 << 28  # the catalogue's largest network takes 55 MB in float32


def load_onnx(path: str | Path) -> onnx.ModelProto:
    """Load an ONNX file whose graph ``read_onnx_graph`` reads; it opens no other file.

    Raises:
        DamagedOnnx: the file is not a complete ONNX file.
        FileMissing: there is no such file.
        FileUnreadable: reading the file fails, or it is too large.
        NotAFile: it is a folder, a pipe or a device.
        UnsoundOnnx: its graph means nothing, or has what no exported network has.
    """
    try:
        model = onnx.ModelProto()
        model.ParseFromString(read_regular(path, _MOST_BYTES))
        read_onnx_graph(model)
    except DecodeError as error:
        raise DamagedOnnx(path, error) from error
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    except IrregularFile as error:
        raise NotAFile(path) from error
    except OSError as error:
        raise FileUnreadable(path, error.strerror or str(error)) from error
    except Unsound as error:
        raise UnsoundOnnx(path, error) from error
    return model
