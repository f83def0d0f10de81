"""OpenVINO's own files, ``.xml`` and ``.bin``, read before OpenVINO reads them.

The text lists layers, each with its type and numbers, and the edges between them; constants are
places in the ``.bin`` file. OpenVINO trusts both, so that what is not as in exported files is
refused here: other layers, huge numbers, constants beyond the end.

Source: openvino 2026.4, ``src/core/xml_util``, and docs.openvino.ai, "Intermediate Representation"
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from shufflenet.errors import DamagedOpenVino
from shufflenet.files import read_part
from shufflenet.spec import CARD_KEY, MAX_CARD_BYTES

__all__ = ["OpenVinoFiles", "read_openvino_files"]

_MOST_TEXT_BYTES, _MOST_WEIGHTS_BYTES = 1 << 25, 1 << 31
_MOST_ELEMENTS, _DEEPEST = 1 << 20, 8
_MOST = 1 << 14  # the largest number of a layer: more than channels, sides or axes
_TYPES = {
    *("Parameter", "Const", "Result", "Convert", "FakeQuantize", "Subtract", "Multiply", "Add"),
    *("Convolution", "GroupConvolution", "MatMul", "MaxPool", "AvgPool", "ReduceMean", "Reshape"),
    *("ReLU", "Sigmoid", "HSigmoid", "HSwish", "Swish"),
    *("VariadicSplit", "Concat", "Gather", "ShuffleChannels"),
}
_BYTES = {"f32": 4, "f16": 2, "i64": 8, "i32": 4, "i8": 1, "u8": 1}
_TEXTS, _LAYER = ["net", "rt_info"], ["net", "layers", "layer"]
_DATA = [*_LAYER, "data"]
_WORDS = {
    *("element_type", "destination_type", "index_element_type"),
    *("auto_pad", "rounding_type", "auto_broadcast"),
}


@dataclass(frozen=True, slots=True)
class OpenVinoFiles:
    """The contents of both files, and the texts that they hold.

    Attributes:
        text: The ``.xml`` file.
        weights: The ``.bin`` file.
        metadata: This package's texts by their keys.
    """

    text: bytes
    weights: bytes
    metadata: dict[str, str]


def read_openvino_files(path: str | Path) -> OpenVinoFiles:
    """Read a network and its weights, which are beside it under the same name.

    Raises:
        FileMissing: one of both files is missing.
        NotAFile: one is a folder, a pipe or a device.
        FileUnreadable: reading fails, or a file is too large.
        DamagedOpenVino: the text is none that ``export`` writes, or does not fit the weights.
    """
    beside = Path(path).with_suffix(".bin")
    text = read_part(path, _MOST_TEXT_BYTES)  # the reader below knows its kind better
    weights = read_part(beside, _MOST_WEIGHTS_BYTES)
    reader = _Reader(weights)
    try:
        reader.read(text)
    except (expat.ExpatError, ValueError) as error:
        raise DamagedOpenVino(path, error) from error
    return OpenVinoFiles(text, weights, reader.metadata)


@dataclass
class _Reader:
    """Reads the text element by element; every method raises a ValueError for what is refused.

    Attributes:
        weights: The file of weights.
        metadata: The texts whose keys begin as that of the card.
    """

    weights: bytes
    metadata: dict[str, str] = field(default_factory=dict)
    _place: list[str] = field(default_factory=list)
    _elements: int = 0
    _type: str = ""

    def read(self, text: bytes) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.Parse(text, True)

    def _refuse_doctype(self, *_: object) -> None:
        raise ValueError("it declares entities or a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._place.append(name)
        self._elements += 1
        if len(self._place) > _DEEPEST or self._elements > _MOST_ELEMENTS:
            raise ValueError("it has too many elements")
        if self._place[0] != "net":
            raise ValueError("it describes no network")
        if self._place == _LAYER:
            self._type = attributes.get("type", "")
            if self._type not in _TYPES:
                raise ValueError(f"it has a layer {self._type[:40]!r}")
        elif self._place == _DATA:
            self._data(attributes)
        elif self._place[:-1] == _TEXTS and name.startswith(CARD_KEY):
            self._note(name, attributes.get("value", ""))

    def _end(self, _: str) -> None:
        self._place.pop()

    def _note(self, key: str, text: str) -> None:
        if key in self.metadata or len(text) > MAX_CARD_BYTES:
            raise ValueError(f"it has {key[:40]!r} twice, or too long")
        self.metadata[key] = text

    def _data(self, attributes: dict[str, str]) -> None:
        """Check the numbers of a layer."""
        if self._type == "Const":
            self._constant(attributes)
            return
        for name, value in attributes.items():
            if name not in _WORDS and value not in ("true", "false", ""):
                for each in value.split(","):
                    _number(each.replace("?", "0"))  # a size of the input that may vary

    def _constant(self, attributes: dict[str, str]) -> None:
        """Check that a constant is inside the weights, and as long as its shape says.

        Raises:
            ValueError: it is not, or it holds a huge axis, size or index.
        """
        kind = attributes.get("element_type", "")
        shape, start, size = (_numbers(attributes, each) for each in ("shape", "offset", "size"))
        if len(start) != 1 or len(size) != 1 or min((1, *shape)) < 1 or start[0] < 0:
            raise ValueError("it has a constant without a place")
        end = start[0] + size[0]
        if size[0] != _BYTES.get(kind, 0) * math.prod(shape) or end > len(self.weights):
            raise ValueError("it has a constant that is not in the file of weights")
        if kind == "i64":  # axes, sizes, shapes, indices
            numbers = np.frombuffer(self.weights[start[0] : end], "<i8")
            if numbers.max() > _MOST or numbers.min() < -_MOST:
                raise ValueError("it has a huge axis, size or index")


def _numbers(attributes: dict[str, str], name: str) -> list[int]:
    texts = attributes.get(name, "").split(",")
    return [_number(each, _MOST_WEIGHTS_BYTES) for each in texts if each.strip()]


def _number(text: str, most: int = _MOST) -> int:
    """Parse a whole number, between ``-most`` and ``most``.

    Raises:
        ValueError: it is none, or larger.
    """
    text = text.strip()
    is_number = text.removeprefix("-").isdecimal() and len(text) <= len(str(most)) + 1
    if not is_number or abs(int(text)) > most:
        raise ValueError(f"it has a number of {text[:40]!r}")
    return int(text)
