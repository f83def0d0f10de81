"""Core ML's messages as a model; a stranger may have written them.

What a classifier of one function needs is read, and everything else is refused: several functions,
blocks inside operations, sizes left open. The numbers of fields are those in ``_encode``.
"""

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from shufflenet.files._protobuf_reader import Field, contents, fields, integers, number_in, only
from shufflenet.files.mlpackage._blobs import BlobReader
from shufflenet.files.mlpackage._values import (
    COLOR_SPACES,
    DATA_TYPES,
    ArrayInput,
    Constant,
    ImageInput,
    Model,
    Operation,
    Result,
    TensorType,
    ValueType,
)
from shufflenet.spec import MAX_CARD_BYTES

__all__ = ["decode_metadata", "decode_model"]

_WEIGHTS = "@model_path/weights/weight.bin"
_COLORS = {number: colors for colors, number in COLOR_SPACES.items()}
_NAMES = {number: name for name, number in DATA_TYPES.items()}
_MOST_TEXT, _MOST_OPERATIONS, _MOST_AXES, _MOST_SIZE = 1 << 16, 20_000, 5, 1 << 24
_MOST_IMMEDIATE = 1 << 20  # bytes of a constant in the program


def decode_metadata(spec: bytes) -> dict[str, str]:
    """Return the texts that a model holds for its users, by key.

    Raises:
        ValueError: it is no complete message, or has a key twice.
    """
    return _Reader(spec, b"").metadata()


def decode_model(spec: bytes, weights: bytes) -> Model:
    """Return the model that ``model.mlmodel`` and ``weight.bin`` hold.

    Raises:
        ValueError: they are damaged, or hold more than one program of one input.
    """
    return _Reader(spec, weights).model()


class _Reader:
    """Reads one message; every method takes the place of the part that it reads."""

    def __init__(self, spec: bytes, weights: bytes) -> None:
        self._file = io.BytesIO(spec)
        self._whole = Field(0, 0, 0, len(spec), has_length=True)
        self._weights = weights

    def metadata(self) -> dict[str, str]:
        found: dict[str, str] = {}
        metadata = only(self._file, self._need(self._whole, 2, "description"), 100)
        for each in self._every(metadata, 100) if metadata else ():
            key = self._text(each, 1)
            if key in found:
                raise ValueError(f"its metadata has {key[:40]!r} twice")
            found[key] = contents(self._file, only(self._file, each, 2), MAX_CARD_BYTES)
        return found

    def model(self) -> Model:
        description = self._need(self._whole, 2, "description")
        program = self._need(self._whole, 502, "program, as files for iOS 15 and later have,")
        function = self._one(program, 2, "functions")
        blocks = self._need(function, 2, "function")
        opset = self._text(blocks, 2)
        block = self._need(self._one(blocks, 3, "blocks"), 2, "block")
        stated = [self._result(each) for each in self._every(description, 10)]
        results = tuple(self._text_of(each) for each in self._every(block, 2))
        if sorted(results) != sorted(each.name for each in stated):
            raise ValueError("its description names other results than its program has")
        return Model(
            version=number_in(self._file, self._whole, 1) or 0,
            opset=opset,
            input=self._input(self._one(description, 1, "inputs"), blocks),
            operations=tuple(self._operations(block)),
            results=tuple(stated),
            metadata=self.metadata(),
            about=self._about(description),
        )

    def _about(self, description: Field) -> tuple[str, str, str]:
        metadata = only(self._file, description, 100)
        if metadata is None:
            return ("", "", "")
        return (self._text(metadata, 1), self._text(metadata, 3), self._text(metadata, 4))

    def _input(self, feature: Field, function: Field) -> ImageInput | ArrayInput:
        name, about = self._text(feature, 1), self._text(feature, 2)
        argument = self._one(function, 1, "arguments")
        stated = self._type(self._need(argument, 2, "type"))
        if self._text(argument, 1) != name or stated == "probabilities":
            raise ValueError("its program reads another input than its description names")
        kind = self._need(feature, 3, "type of its input")
        image = only(self._file, kind, 4)
        if image is None:
            if stated.dtype != "float32" or only(self._file, kind, 5) is None:
                raise ValueError("its input is neither an image nor an array of float32")
            return ArrayInput(name, stated.shape, about)
        width, height, color = (number_in(self._file, image, each) or 0 for each in (1, 2, 3))
        if color not in _COLORS:
            raise ValueError("its input is an image of colors that are not known")
        taken = ImageInput(name, height, width, _COLORS[color], about)
        if stated != TensorType("float32", taken.shape):
            raise ValueError("its input is no image of one size and of its colors")
        return taken

    def _result(self, feature: Field) -> Result:
        name, about = self._text(feature, 1), self._text(feature, 2)
        kind = self._need(feature, 3, "type of a result")
        if only(self._file, kind, 3) is not None:
            return Result(name, TensorType("str", ()), about)
        array = only(self._file, kind, 5)
        if array is None:
            return Result(name, "probabilities", about)
        shape = [size for each in self._every(array, 1) for size in integers(self._file, each)]
        return Result(name, TensorType("float32", tuple(shape)), about)

    def _operations(self, block: Field) -> Iterator[Operation]:
        for number, each in enumerate(self._every(block, 3)):
            if number == _MOST_OPERATIONS:
                raise ValueError(f"its program has more than {_MOST_OPERATIONS} operations")
            yield self._operation(each)

    def _operation(self, of: Field) -> Operation:
        inputs: dict[str, tuple[str, ...]] = {}
        literals: dict[str, Constant] = {}
        outputs: list[tuple[str, ValueType]] = []
        attributes: dict[str, Constant] = {}
        kind = ""
        for part in fields(self._file, of.start, of.end):
            if part.number == 1:
                kind = self._text_of(part)
            elif part.number == 2:
                self._bind(part, inputs, literals)
            elif part.number == 3:
                named = self._need(part, 2, "type of a value")
                outputs.append((self._text(part, 1), self._type(named)))
            elif part.number == 4:
                raise ValueError(f"its operation {kind[:40]!r} has operations inside")
            elif part.number == 5 and (name := self._text(part, 1)) != "name":
                attributes[name] = self._value(self._need(part, 2, "value"))
        if not kind or not outputs:
            raise ValueError("it has an operation without a kind or without outputs")
        return Operation(kind, inputs, tuple(outputs), literals, attributes)

    def _bind(
        self, part: Field, inputs: dict[str, tuple[str, ...]], literals: dict[str, Constant]
    ) -> None:
        """Read one parameter of an operation: names of values, or a constant in their place.

        Raises:
            ValueError: it is both.
        """
        parameter, argument = self._text(part, 1), self._need(part, 2, "argument")
        names: list[str] = []
        for binding in self._every(argument, 1):
            value = only(self._file, binding, 2)
            if value is None:
                names.append(self._text(binding, 1))
            elif names or parameter in literals:
                raise ValueError("it mixes constants and values in one parameter")
            else:
                literals[parameter] = self._value(value)
        if names:
            inputs[parameter] = tuple(names)

    def _type(self, of: Field) -> ValueType:
        tensor = only(self._file, of, 1)
        if tensor is None:
            self._need(of, 4, "tensor")
            return "probabilities"
        dtype = _NAMES.get(number_in(self._file, tensor, 1) or 0)
        sizes = [self._size(each) for each in self._every(tensor, 3)]
        if dtype is None or len(sizes) > _MOST_AXES:
            raise ValueError("it has a tensor of an unknown type")
        return TensorType(dtype, tuple(sizes))

    def _size(self, dimension: Field) -> int:
        size = number_in(self._file, self._need(dimension, 1, "size"), 1) or 0
        if not 0 < size <= _MOST_SIZE:
            raise ValueError("it has a tensor of an impossible size")
        return size

    def _value(self, of: Field) -> Constant:
        kind = self._need(of, 2, "type of a constant")
        blob, immediate = only(self._file, of, 5), only(self._file, of, 3)
        if blob is not None:
            tensor = self._type(kind)
            if tensor == "probabilities" or self._text(blob, 1) != _WEIGHTS:
                raise ValueError("it has a constant in another file than weight.bin")
            place = number_in(self._file, blob, 2) or 0
            return BlobReader(self._weights).read(place, tensor)
        if immediate is None:
            raise ValueError("it has a constant without a value")
        if (listed := only(self._file, immediate, 3)) is not None:
            texts = [self._value(each) for each in self._every(listed, 1)]
            return tuple(each for each in texts if isinstance(each, str))
        tensor = self._type(kind)
        if tensor == "probabilities":
            raise ValueError("it has a constant that is no tensor")
        return self._immediate(self._need(immediate, 1, "tensor"), tensor)

    def _immediate(self, tensor: Field, kind: TensorType) -> Constant:
        if kind.dtype == "str":
            return self._text(self._need(tensor, 4, "text"), 1)
        number = {"float32": 1, "int32": 2, "bool": 3}.get(kind.dtype, 7)
        parts = list(self._every(self._need(tensor, number, "numbers"), 1))
        array: npt.NDArray[np.generic]
        if number in (2, 3):
            array = np.array([each for part in parts for each in integers(self._file, part)], "i8")
        else:
            array = self._numbers(parts, np.dtype(kind.dtype).newbyteorder("<"))
        if array.size != np.prod(kind.shape, dtype=np.int64):
            raise ValueError("it has a constant of another size than its type says")
        return array.reshape(kind.shape).astype(kind.dtype)

    def _numbers(self, parts: list[Field], dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
        size = sum(each.end - each.start for each in parts)
        if size > _MOST_IMMEDIATE or size % dtype.itemsize:
            raise ValueError("it has a constant of another size than its type says")
        content = bytearray()
        for each in parts:
            self._file.seek(each.start)
            content += self._file.read(each.end - each.start)
        return np.frombuffer(bytes(content), dtype)

    def _every(self, of: Field, number: int) -> Iterator[Field]:
        return (each for each in fields(self._file, of.start, of.end) if each.number == number)

    def _need(self, of: Field, number: int, what: str) -> Field:
        field = only(self._file, of, number)
        if field is None or not field.has_length:
            raise ValueError(f"it lacks a {what}")
        return field

    def _one(self, of: Field, number: int, what: str) -> Field:
        found = list(self._every(of, number))
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} {what}, where one is read")
        return found[0]

    def _text(self, of: Field, number: int) -> str:
        return contents(self._file, only(self._file, of, number), _MOST_TEXT)

    def _text_of(self, field: Field) -> str:
        return contents(self._file, field, _MOST_TEXT)
