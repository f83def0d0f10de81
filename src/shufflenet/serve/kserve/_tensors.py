"""Tensors of the Open Inference Protocol read as images: from JSON, or from bytes in their order.

Nothing is allocated by what a shape says: it is compared with the data that is there.
Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md, "Tensor Data";
triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

import base64
import math
from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.errors import OtherData, OtherDatatype, OtherLength, OtherShape, TooManyImages
from shufflenet.preprocess import Pixels
from shufflenet.serve.kserve._request import SentTensor
from shufflenet.serve.kserve._signature import Form

__all__ = ["Images", "read_images"]

# Prepared images (n, c, h, w); or a list of image files and crops (h, w, c).
Images: TypeAlias = npt.NDArray[np.float32] | list[bytes | Pixels]

# FP16 becomes FP32 without loss. FP64 would be rounded, which is the client's to decide.
_ALSO_READ: Final = {"FP32": ("FP32", "FP16")}
_LITTLE_ENDIAN: Final = {"FP32": "<f4", "FP16": "<f2", "UINT8": "u1", "UINT16": "<u2"}
_MOST: Final = {"UINT8": 255, "UINT16": 65_535}
_LENGTH_BYTES = 4  # of an element of BYTES, before it


def read_images(sent: SentTensor, form: Form, most_images: int) -> Images:
    """Return the images of the input of a request.

    Prepared images are float32 ``(n, channels, h, w)`` and may hold any number; crops are uint8
    or uint16 ``(h, w, c)``. Both may be views of the body. Files are bytes that were not looked at.

    Args:
        sent: The input, as it was sent.
        form: What the model takes by that name.
        most_images: The images that a request may have.

    Raises:
        OtherDatatype: the input is of another type.
        OtherShape: it has another shape, or holds no image.
        TooManyImages: it holds more than it may.
        OtherLength: its data is not as long as its shape says.
        OtherData: its data is of another kind.
    """
    datatypes = _ALSO_READ.get(form.datatype, (form.datatype,))
    if sent.datatype not in datatypes:
        raise OtherDatatype(sent.name, sent.datatype, datatypes)
    is_files = form.datatype == "BYTES"
    # Clients of Triton give BYTES an axis of their own.
    shape = sent.shape[:1] if is_files and sent.shape[1:] == (1,) else sent.shape
    if len(shape) != len(form.shape) or shape[0] < 1 or shape[1:] != form.shape[1:]:
        raise OtherShape(sent.name, sent.shape, form.shape)
    if sent.shape[0] > most_images:
        raise TooManyImages(most_images)
    return [*_files(sent)] if is_files else _array(sent)


def _array(sent: SentTensor) -> Images:
    kind = np.dtype(_LITTLE_ENDIAN[sent.datatype])
    if sent.binary is None:
        with np.errstate(over="ignore"):  # an infinity is refused as others are
            values = _numbers(sent).astype(kind)
    else:
        values = np.frombuffer(_checked(sent, sent.binary, kind.itemsize), kind)
    values = values.reshape(sent.shape)
    return list(values) if sent.datatype in _MOST else values.astype(np.float32, copy=False)


def _checked(sent: SentTensor, binary: memoryview, element_bytes: int) -> memoryview:
    """Return binary data that is as long as the shape says.

    Raises:
        OtherLength: it is longer or shorter.
    """
    expected = math.prod(sent.shape) * element_bytes
    if len(binary) != expected:
        raise OtherLength(sent.name, len(binary), expected, "bytes")
    return binary


def _numbers(sent: SentTensor) -> npt.NDArray[np.float64]:
    """Return the numbers of the JSON in row-major order.

    Raises:
        OtherLength: there are more or fewer than the shape says.
        OtherData: they are no numbers, or not of the input's type.
    """
    if sent.datatype == "FP16":
        raise OtherData(sent.name, "binary, for JSON has no numbers of datatype FP16")
    values = _flat(sent)
    most = _MOST.get(sent.datatype)
    if not set(map(type, values)) <= ({int} if most else {int, float}):
        raise OtherData(sent.name, _whole(most) if most else "numbers")
    numbers = np.array(values, np.float64)
    if most and not (numbers.min() >= 0 and numbers.max() <= most):
        raise OtherData(sent.name, _whole(most))
    return numbers


def _whole(most: int) -> str:
    return f"whole numbers from 0 to {most}"


def _files(sent: SentTensor) -> tuple[bytes, ...]:
    """Return the elements of BYTES; in JSON, which holds texts, they are base64 (RFC 4648).

    Raises:
        OtherLength: there are more or fewer than the shape says.
        OtherData: they are no base64, or the lengths of binary ones do not add up.
    """
    if sent.binary is not None:
        return _elements(sent.binary, sent)
    values = _flat(sent)
    texts = [each for each in values if isinstance(each, str)]
    try:
        files = tuple(base64.b64decode(each, validate=True) for each in texts)
    except ValueError as error:
        raise OtherData(sent.name, "texts in base64") from error
    if len(texts) < len(values):
        raise OtherData(sent.name, "texts in base64")
    return files


def _elements(binary: memoryview, sent: SentTensor) -> tuple[bytes, ...]:
    elements, at = [], 0
    for _ in range(sent.shape[0]):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(binary[at:start], "little")
        if at > len(binary):
            break
        elements.append(bytes(binary[start:at]))
    if at != len(binary):
        raise OtherData(sent.name, "elements that follow each other, each after its length")
    return tuple(elements)


def _flat(sent: SentTensor) -> Sequence[object]:
    """Return the elements of lists, which are flat or nested as the shape is, in row-major order.

    Raises:
        OtherLength: there are more or fewer elements than the shape says.
        OtherData: it is no list, or nested otherwise.
    """
    data, count = sent.data, math.prod(sent.shape)
    if not isinstance(data, list):
        raise OtherData(sent.name, "a list")
    if not data or not isinstance(data[0], list):
        if len(data) != count:
            raise OtherLength(sent.name, len(data), count, "elements")
        return data
    level: list[object] = [data]
    for length in sent.shape:
        if not all(isinstance(each, list) and len(each) == length for each in level):
            raise OtherData(sent.name, "a flat list, or lists nested as the shape is")
        level = list(chain.from_iterable(level))  # type: ignore[arg-type]  # lists, as just checked
    return level
