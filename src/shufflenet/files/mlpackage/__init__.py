"""Core ML packages, written and read without Apple's libraries."""

from shufflenet.files.mlpackage._folder import (
    Package,
    encode_package,
    read_package,
    sealed_part,
)
from shufflenet.files.mlpackage._values import (
    ArrayInput,
    Colors,
    Constant,
    ImageInput,
    Model,
    Operation,
    Result,
    TensorType,
    ValueType,
)

__all__ = [
    "ArrayInput",
    "Colors",
    "Constant",
    "ImageInput",
    "Model",
    "Operation",
    "Package",
    "Result",
    "TensorType",
    "ValueType",
    "encode_package",
    "read_package",
    "sealed_part",
]
