"""What a Core ML package holds, as plain values: its input, its operations, its texts.

Source of names and types: coremltools 9.0, mlmodel/format: Model.proto, FeatureTypes.proto and
MIL.proto
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "COLOR_SPACES",
    "DATA_TYPES",
    "ArrayInput",
    "Colors",
    "Constant",
    "ImageInput",
    "Model",
    "Operation",
    "Result",
    "TensorType",
    "ValueType",
]

# The numbers that MIL.proto gives to types, by NumPy's names.
DATA_TYPES: Final[dict[str, int]] = {
    "bool": 1,
    "str": 2,
    "float16": 10,
    "float32": 11,
    "float64": 12,
    "int8": 21,
    "int32": 23,
    "uint8": 31,
}

Colors: TypeAlias = Literal["rgb", "bgr", "gray"]

# The numbers that FeatureTypes.proto gives to them.
COLOR_SPACES: Final[dict[Colors, int]] = {"gray": 10, "rgb": 20, "bgr": 30}

Constant: TypeAlias = npt.NDArray[np.generic] | str | tuple[str, ...]
"""Numbers of any shape, a text, or a list of texts."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of a tensor.

    Attributes:
        dtype: A key of ``DATA_TYPES``.
        shape: The size of each axis.
    """

    dtype: str
    shape: tuple[int, ...]


ValueType: TypeAlias = TensorType | Literal["probabilities"]
"""A tensor's type, or that of a map from labels to probabilities."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the program.

    Attributes:
        kind: What it computes, such as ``conv``.
        inputs: Of each parameter the names of the values that it reads.
        outputs: The names of the values that it makes, with their types.
        literals: Constants that stand in place of inputs.
        attributes: Other constants: the value of a ``const``, all parameters of a ``constexpr``.
    """

    kind: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[tuple[str, ValueType], ...]
    literals: Mapping[str, Constant] = field(default_factory=dict)
    attributes: Mapping[str, Constant] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The name of the first value that it makes."""
        return self.outputs[0][0]


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image of one size, whose values 0 to 255 the program reads as float32."""

    name: str
    height: int
    width: int
    colors: Colors
    about: str = ""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """What the program reads, ``(1, channels, h, w)``."""
        return (1, 1 if self.colors == "gray" else 3, self.height, self.width)


@dataclass(frozen=True, slots=True)
class ArrayInput:
    """An array of float32."""

    name: str
    shape: tuple[int, ...]
    about: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What the model returns: its name, and what people read about it."""

    name: str
    kind: ValueType
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of one program.

    Attributes:
        version: The version of the specification: 7 for what iOS 16 and macOS 13 read.
        opset: The version of the operations.
        input: What it reads.
        operations: What it computes, in order; constants are operations too.
        results: What it returns: the label and its probabilities, if it is a classifier, and
            tensors.
        metadata: Texts that the program's users read.
        about: What it is, its author and its licence.
    """

    version: int
    opset: str
    input: ImageInput | ArrayInput
    operations: tuple[Operation, ...]
    results: tuple[Result, ...]
    metadata: Mapping[str, str]
    about: tuple[str, str, str] = ("", "", "")
