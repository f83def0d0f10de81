"""What a LiteRT file says, read from its bytes before LiteRT reads them.

Source: schema.fbs of TensorFlow Lite, version 3, as in ai_edge_litert 2.3 (schema_py_generated.py)
"""

import contextlib
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shufflenet.errors import DamagedLiteRt, MissingDependency
from shufflenet.runtimes._classifier import missing_package
from shufflenet.spec import MAX_CARD_BYTES, RUNTIMES

__all__ = ["MOST_BYTES", "check_sizes", "metadata_in"]

MOST_BYTES = (1 << 31) - 1  # offsets in a FlatBuffers file have 31 bits
_MOST_ENTRIES = 64
_MOST_TENSORS = 50_000  # that are stated, and that operators read; as in graph/_nodes.py
_MOST_NUMBERS = 1 << 28  # of a tensor; the catalogue's largest has 2e7 for an image of 224 px
_MOST_PADDING = 16  # px; the catalogue's largest kernel needs 3
_IDENTIFIER = b"TFL3"
# What reading a damaged file as FlatBuffers raises: places outside it, and no text.
_DAMAGE = (AttributeError, IndexError, OverflowError, TypeError, ValueError, struct.error)


def metadata_in(path: str | Path, content: bytes) -> dict[str, str]:
    """Return the texts in a file's metadata.

    Raises:
        DamagedLiteRt: it is no LiteRT file, or is damaged.
        MissingDependency: LiteRT is not installed.
    """
    if content[4:8] != _IDENTIFIER:
        raise DamagedLiteRt(path, "its first bytes are others")
    texts: dict[str, str] = {}
    with _reading(path):
        model = _schema().Model.GetRootAs(content)
        for number in range(min(model.MetadataLength(), _MOST_ENTRIES)):
            entry = model.Metadata(number)
            buffer = model.Buffers(entry.Buffer())
            if buffer.DataLength() <= MAX_CARD_BYTES:
                text = _text(buffer.DataAsNumpy())
                if text is not None:
                    texts[entry.Name().decode()] = text
    return texts


def _text(data: Any) -> str | None:  # noqa: ANN401  # an array, or 0 for none
    """Return bytes as text, or None where they are none, as those of other programs."""
    with contextlib.suppress(UnicodeDecodeError, AttributeError):
        return str(data.tobytes().decode())
    return None


def check_sizes(path: str | Path, content: bytes) -> None:
    """Check that no tensor is so large, and no padding so wide, that memory is exhausted.

    Raises:
        DamagedLiteRt: one is, or the file is damaged.
    """
    schema = _schema()
    pads = (schema.BuiltinOperator.PAD, schema.BuiltinOperator.PADV2)
    with _reading(path):
        model = schema.Model.GetRootAs(content)
        if model.SubgraphsLength() != 1:
            raise DamagedLiteRt(path, f"it has {model.SubgraphsLength()} networks")
        graph = model.Subgraphs(0)
        if max(graph.TensorsLength(), graph.OperatorsLength()) > _MOST_TENSORS:
            raise DamagedLiteRt(path, f"it has more than {_MOST_TENSORS} tensors or operations")
        for number in range(graph.TensorsLength()):
            shape = np.atleast_1d(graph.Tensors(number).ShapeAsNumpy()).tolist()
            if min(shape) < 0 or math.prod(shape) > _MOST_NUMBERS:
                raise DamagedLiteRt(path, f"it has a tensor of the shape {shape[:8]}")
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() not in pads:
                continue
            sides = model.Buffers(graph.Tensors(operator.Inputs(1)).Buffer()).DataAsNumpy()
            widest = int(np.frombuffer(np.atleast_1d(sides).tobytes(), "<i4").max(initial=0))
            if widest > _MOST_PADDING:
                raise DamagedLiteRt(path, f"it pads images by {widest} pixels")


@contextlib.contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Turn what damaged bytes raise into one sentence.

    Raises:
        DamagedLiteRt: they raised an error.
    """
    try:
        yield
    except _DAMAGE as error:
        raise DamagedLiteRt(path, "a part of it lies outside") from error


def _schema() -> Any:  # noqa: ANN401  # it has no types
    """Import the schema's classes.

    Raises:
        MissingDependency: LiteRT is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingDependency(*missing_package(RUNTIMES["litert"], error)) from error
    return schema
