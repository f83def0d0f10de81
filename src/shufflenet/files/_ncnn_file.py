"""The two files of an ncnn network: layers as lines of text, and their numbers in one block.

The text (``.param``) is a magic number, the numbers of layers and of tensors, and a line a layer:
kind, name, how many tensors it reads and writes, their names, then its parameters as ``id=value``.
An array has the id ``-23300 - id`` and begins with its length.

The numbers (``.bin``) are those of each layer in order, little-endian. Weights begin with four
bytes that say how they are stored, and are filled up to four; biases and scales have neither.

Source: ncnn 1.0.20261020, src/net.cpp, src/paramdict.cpp and src/modelbin.cpp
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "NCNN_FLOAT16",
    "NCNN_FLOAT32",
    "NCNN_INT8",
    "NcnnLayer",
    "NcnnValue",
    "read_ncnn_text",
    "write_ncnn_text",
]

NcnnValue: TypeAlias = int | float | tuple[float, ...]

# How weights are stored, which their first four bytes say.
NCNN_FLOAT32, NCNN_FLOAT16, NCNN_INT8 = 0, 0x01306B47, 0x000D4B38

_MAGIC = "7767517"
_ARRAYS = -23300
_MOST_BYTES, _MOST_LAYERS, _MOST_PARAMETERS = 1 << 22, 20_000, 32
_MOST_ELEMENTS = 4096  # of an array
_NAME = re.compile(r"[A-Za-z0-9_./:-]{1,200}")
_INTEGER = re.compile(r"-?[0-9]{1,9}")
# ncnn reads at most 15 characters, and its nine digits behind the point fit 32 bits.
_NUMBER = re.compile(r"(?=.{1,15}$)-?[0-9]{1,9}\.[0-9]{1,9}(e[+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    """A layer of an ncnn network.

    Attributes:
        kind: Its kind, such as ``Convolution``.
        name: Its name.
        inputs: The names of the tensors that it reads.
        outputs: The names of the tensors that it writes.
        parameters: Its parameters by their numbers; those left out have ncnn's default.
        numbers: Its weights, biases and scales, as the ``.bin`` holds them.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[int, NcnnValue] = field(default_factory=dict)
    numbers: bytes = b""


def write_ncnn_text(layers: Sequence[NcnnLayer]) -> str:
    """Write layers, in the order in which they are computed, as the text of a ``.param`` file.

    >>> print(write_ncnn_text([NcnnLayer("Input", "images", (), ("images",), {2: 3})]), end="")
    7767517
    1 1
    Input images 0 1 images 2=3
    """
    lines = [_line(layer) for layer in layers]
    tensors = sum(len(layer.outputs) for layer in layers)
    return "\n".join([_MAGIC, f"{len(lines)} {tensors}", *lines, ""])


def _line(layer: NcnnLayer) -> str:
    counts = str(len(layer.inputs)), str(len(layer.outputs))
    parameters = [_written(number, value) for number, value in sorted(layer.parameters.items())]
    words = (layer.kind, layer.name, *counts, *layer.inputs, *layer.outputs, *parameters)
    return " ".join(words)


def _written(number: int, value: NcnnValue) -> str:
    """Return a parameter as text.

    >>> _written(9, 2), _written(2, -0.25), _written(10, (0.0, 6.0))
    ('9=2', '2=-2.50000000e-01', '-23310=2,0.00000000e+00,6.00000000e+00')
    """
    if isinstance(value, tuple):
        elements = (str(x) if isinstance(x, int) else f"{x:.8e}" for x in value)
        return ",".join([f"{_ARRAYS - number}={len(value)}", *elements])
    return f"{number}={value}" if isinstance(value, int) else f"{number}={value:.8e}"


def read_ncnn_text(content: bytes) -> tuple[NcnnLayer, ...]:
    """Parse the text of a ``.param`` file as strictly as ``write_ncnn_text`` writes it.

    Every tensor is written once, before one layer reads it, and by that layer alone, which ncnn
    takes for granted.

    Raises:
        ValueError: it is no such text; the message is a predicate.
    """
    if len(content) > _MOST_BYTES:
        raise ValueError(f"has more than {_MOST_BYTES >> 20} MB of text")
    try:
        magic, counts, *lines, rest = content.decode("ascii").split("\n")
    except ValueError as error:  # of a unicode error too
        raise ValueError("is not the text of an ncnn network") from error
    if magic != _MAGIC or rest:
        raise ValueError("is not the text of an ncnn network, or is cut short")
    layers = tuple(_parsed(line) for line in lines[:_MOST_LAYERS])
    tensors = sum(len(layer.outputs) for layer in layers)
    if counts != f"{len(lines)} {tensors}" or len(lines) > _MOST_LAYERS:
        raise ValueError("has other numbers of layers or tensors than it says")
    _check_names(layers)
    return layers


def _parsed(line: str) -> NcnnLayer:
    words = line.split(" ")
    if len(words) < 4 or not all(_INTEGER.fullmatch(word) for word in words[2:4]):
        raise ValueError(f"has the line {line[:80]!r}, which is no layer")
    reads, writes = int(words[2]), int(words[3])
    kind, name, *names = words[:2] + words[4 : 4 + reads + writes]
    parameters = words[4 + reads + writes :]
    is_sound = reads >= 0 and writes > 0 and len(names) == reads + writes
    if not is_sound or not all(map(_NAME.fullmatch, (kind, name, *names))):
        raise ValueError(f"has the line {line[:80]!r}, which is no layer")
    values = dict(map(_parameter, parameters))
    if len(values) < len(parameters):
        raise ValueError(f"has the line {line[:80]!r}, with a parameter twice")
    return NcnnLayer(kind, name, tuple(names[:reads]), tuple(names[reads:]), values)


def _parameter(text: str) -> tuple[int, NcnnValue]:
    """Parse a parameter.

    Raises:
        ValueError: it is none.

    >>> _parameter("-23310=2,0.0,6.0"), _parameter("0=-1")
    ((10, (0.0, 6.0)), (0, -1))
    """
    number, _, value = text.partition("=")
    if not _INTEGER.fullmatch(number):
        raise ValueError(f"has the parameter {text[:40]!r}, which has no number")
    key = int(number)
    length, *elements = value.split(",")
    if _ARRAYS - _MOST_PARAMETERS < key <= _ARRAYS:
        is_whole = _INTEGER.fullmatch(length) and int(length) == len(elements)
        if not is_whole or not 0 < len(elements) <= _MOST_ELEMENTS:
            raise ValueError(f"has the parameter {text[:40]!r}, an array of another length")
        return _ARRAYS - key, tuple(map(_number, elements))
    if not 0 <= key < _MOST_PARAMETERS or elements:
        raise ValueError(f"has the parameter {text[:40]!r}, which ncnn does not know")
    return key, _number(value)


def _number(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"has {text[:40]!r} where a number should be")
    return float(text)


def _check_names(layers: Iterable[NcnnLayer]) -> None:
    """Check that tensors are written once and then read once at most.

    Raises:
        ValueError: they are not.
    """
    waiting: set[str] = set()
    written: Counter[str] = Counter()
    for layer in layers:
        if not waiting.issuperset(layer.inputs) or len(set(layer.inputs)) < len(layer.inputs):
            raise ValueError(
                f"has the layer {layer.name!r}, which reads what nothing writes for it"
            )
        waiting.difference_update(layer.inputs)
        waiting.update(layer.outputs)
        written.update(layer.outputs)
    if written and max(written.values()) > 1:
        raise ValueError("writes a tensor twice")
