"""What a LiteRT file tells other programs about its network: normalization, labels, licence.

The Task Library and MediaPipe read it: a FlatBuffers table ``ModelMetadata`` in the file's
metadata, and a text with a label a line in a zip archive behind the model.

Source: metadata_schema.fbs, file identifier M001, of tensorflow/tflite-support 0.4.4
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import flatbuffers
import numpy as np

from shufflenet.labels import printable
from shufflenet.spec import Card

__all__ = ["COLOR_SPACES", "append_labels", "task_metadata"]

COLOR_SPACES = {1: 2, 3: 1}  # ColorSpaceType, by the number of channels: GRAYSCALE, RGB

_LABELS_FILE = "labels.txt"
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_FEATURES, _IMAGE, _NORMALIZATION = 1, 2, 1  # of ContentProperties, of ProcessUnitOptions
_PARSER = "1.0.0"  # the oldest version that reads these fields


@dataclass(frozen=True, slots=True)
class _Byte:
    value: int


@dataclass(frozen=True, slots=True)
class _UInt32:
    value: int


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the schema; its fields in their order there, None for those left out."""

    fields: tuple["_Value", ...]


_Value: TypeAlias = str | Sequence[float] | Sequence[_Table] | _Table | _Byte | _UInt32 | None


def task_metadata(card: Card, size: tuple[int, int], *, as_bytes: bool) -> bytes:
    """Return the table ``ModelMetadata`` of a file that takes pixels, gray or RGB.

    Args:
        card: The network's card.
        size: The height and width of its images, px.
        as_bytes: Whether they are uint8 and not float32.
    """
    # Programs demand a normalization of floats: the one that changes nothing.
    pixels = _Table((_Byte(_NORMALIZATION), _Table(([0.0], [1.0]))))
    height, width = size
    how = card.preprocess
    properties = _Table(
        (_Byte(COLOR_SPACES[how.in_channels]), _Table((_UInt32(width), _UInt32(height))))
    )
    content = _Table((_Byte(_IMAGE), properties))
    colors = "A gray level" if how.in_channels == 1 else "Red, green and blue"
    colors = f"{colors}, from 0 to {how.max_value}."
    image = _Table(("image", colors, None, content, [] if as_bytes else [pixels]))
    labels = _Table((_LABELS_FILE, "A class a line.", _Byte(_TENSOR_AXIS_LABELS)))
    function = "sigmoid" if card.task == "multi-label" else "softmax"
    scores = f"Logits; their {function} is the probabilities."
    features = _Table((_Byte(_FEATURES), _Table(())))
    logits = _Table(("logits", scores, None, features, None, None, [labels]))
    subgraph = _Table((None, None, [image], [logits]))
    description = f"{card.network.name}, trained on {card.origin.data or 'images'}."
    licence = card.origin.licence
    model = _Table((card.name, description, None, [subgraph], None, licence, None, _PARSER))
    builder = flatbuffers.Builder(4096)
    builder.Finish(_write(builder, model), b"M001")
    return bytes(builder.Output())


def append_labels(content: bytes, card: Card) -> bytes:
    """Return a model's bytes with the archive of its labels behind them."""
    stream = io.BytesIO()
    stream.write(content)
    with zipfile.ZipFile(stream, "w") as archive:  # stored, at a date of 1980: always the same
        text = "".join(f"{printable(label.name)}\n" for label in card.labels)
        archive.writestr(zipfile.ZipInfo(_LABELS_FILE), text.encode())
    return stream.getvalue()


def _write(builder: Any, value: str | Sequence[float] | Sequence[_Table] | _Table) -> int:  # noqa: ANN401
    """Write a value, those that it refers to first, and return its place."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if not isinstance(value, _Table):
        if all(isinstance(each, float) for each in value):
            return int(builder.CreateNumpyVector(np.array(value, np.float32)))
        places = [_write(builder, each) for each in value if isinstance(each, _Table)]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    inner = {
        slot: _write(builder, field)
        for slot, field in enumerate(value.fields)
        if field is not None and not isinstance(field, _Byte | _UInt32)
    }
    builder.StartObject(len(value.fields))
    for slot, field in enumerate(value.fields):
        if isinstance(field, _Byte):
            builder.PrependInt8Slot(slot, field.value, 0)
        elif isinstance(field, _UInt32):
            builder.PrependUint32Slot(slot, field.value, 0)
        elif slot in inner:
            builder.PrependUOffsetTRelativeSlot(slot, inner[slot], 0)
    return int(builder.EndObject())
