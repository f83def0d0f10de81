"""An inference request of the Open Inference Protocol: its JSON, and where its tensors lie.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; and
triton-inference-server/server, docs/protocol/extension_binary_data.md and
extension_classification.md, for the parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shufflenet.errors import (
    BytesLeft,
    DataNotOnce,
    JsonTooLarge,
    NoSuchTensor,
    OtherHeaderLength,
    OtherInputs,
    OutputTwice,
    SharedMemoryAsked,
)
from shufflenet.outside import read_json, typed

__all__ = ["Asked", "SentRequest", "SentTensor", "read_request", "split_body"]

# Of the JSON: two images of 224 px. A number takes two bytes of it and up to 32 of memory; binary
# data is not parsed.
_JSON_BYTES = 8 << 20
# Lists and objects in it, of which each takes a hundred times as long as a number. Nested data has
# one for each row of each channel: 43 thousand in 64 images of 224 px.
_JSON_PARTS = 100_000
_HEADER_LENGTH_DIGITS = 12


@dataclass(frozen=True, eq=False, slots=True)
class SentTensor:
    """The input of a request, not read yet.

    Attributes:
        name: One of the model's inputs.
        shape: Its lengths, as the client states them.
        datatype: Its type, as the client states it.
        data: Its elements, of the JSON; None if they are binary.
        binary: Its bytes; None if they are in the JSON.
    """

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: object
    binary: memoryview | None


@dataclass(frozen=True, slots=True)
class Asked:
    """An output that a request asks for.

    Attributes:
        name: One of the model's outputs.
        is_binary: Whether its data follows the JSON, rather than being in it.
        classes: How many classes are asked for in the output's stead; None for the output itself.
    """

    name: str
    is_binary: bool
    classes: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class SentRequest:
    """A request: its own identifier, if it has one, its input and the outputs that it asks for."""

    id: str | None
    tensor: SentTensor
    outputs: tuple[Asked, ...]


# What the JSON holds. Fields of others are passed over: Triton documents "model_name" in requests.
@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: object = None
    parameters: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class _Output:
    name: str
    parameters: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    inputs: tuple[_Input, ...]
    outputs: tuple[_Output, ...] | None = None
    id: str | None = None
    parameters: dict[str, object] | None = None


def split_body(body: memoryview, header_length: str | None) -> tuple[memoryview, memoryview]:
    """Return the JSON of a body and the binary data after it.

    Args:
        body: Both.
        header_length: The header ``Inference-Header-Content-Length``; None without it, and the
            body is JSON alone.

    Raises:
        OtherHeaderLength: the header is no number from 1 to the length of the body.
        JsonTooLarge: the JSON is longer than is parsed.
    """
    end = len(body) if header_length is None else _json_end(header_length, len(body))
    if end > _JSON_BYTES:
        raise JsonTooLarge(_JSON_BYTES, "bytes")
    return body[:end], body[end:]


def _json_end(header_length: str, body_bytes: int) -> int:
    is_number = header_length.isascii() and header_length.isdecimal()
    if not is_number or len(header_length) > _HEADER_LENGTH_DIGITS:
        raise OtherHeaderLength(header_length, body_bytes)
    if not 1 <= int(header_length) <= body_bytes:
        raise OtherHeaderLength(header_length, body_bytes)
    return int(header_length)


def read_request(
    text: memoryview, binary: memoryview, inputs: Sequence[str], outputs: Sequence[str]
) -> SentRequest:
    """Read what the JSON says about tensors, and check that the binary data is as long as that.

    Args:
        text: The JSON.
        binary: What follows it in the body.
        inputs: The names of the model's inputs.
        outputs: The names of its outputs, of which the first is answered if none is asked for.

    Raises:
        JsonTooLarge: the JSON has more lists and objects than are parsed.
        RequestError: the request is none that the model answers; the sentence says why.
        SpecError: the JSON is none, or of another kind.
    """
    plain = bytes(text)
    if plain.count(b"[") + plain.count(b"{") > _JSON_PARTS:
        raise JsonTooLarge(_JSON_PARTS, "lists and objects")
    fields = read_json(plain, "the request", limit_bytes=_JSON_BYTES)
    request = typed(fields, _Request, "the request", ignore_unknown=True)
    tensor = _tensor(request.inputs, binary, inputs)
    return SentRequest(request.id, tensor, _asked(request, outputs))


def _tensor(sent: tuple[_Input, ...], binary: memoryview, known: Sequence[str]) -> SentTensor:
    """Return the one input.

    Raises:
        OtherInputs: there is none, or there are several.
        NoSuchTensor: the model has no such input.
        SharedMemoryAsked: its data is to be in shared memory.
        DataNotOnce: it has no data, or has it twice.
        BytesLeft: the binary data is longer or shorter than the input states.
    """
    if len(sent) != 1:
        raise OtherInputs(len(sent), known)
    one = sent[0]
    if one.name not in known:
        raise NoSuchTensor("input", one.name, known)
    parameters = one.parameters or {}
    _refuse_shared_memory(one.name, parameters)
    size = parameters.get("binary_data_size")
    size = None if size is None else typed(size, int, "binary_data_size")
    if (one.data is None) == (size is None):
        raise DataNotOnce(one.name)
    if len(binary) != (size or 0):
        raise BytesLeft(len(binary), size or 0)
    held = None if size is None else binary
    return SentTensor(one.name, one.shape, one.datatype, one.data, held)


def _asked(request: _Request, known: Sequence[str]) -> tuple[Asked, ...]:
    """Return the outputs that a request asks for; the model's first, if it names none.

    Raises:
        NoSuchTensor: the model has no such output.
        OutputTwice: one is asked for twice.
        SharedMemoryAsked: one is to be written to shared memory.
        SpecError: a parameter is of another kind.
    """
    parameters = request.parameters or {}
    by_default = typed(parameters.get("binary_data_output", False), bool, "binary_data_output")
    asked: dict[str, Asked] = {}
    for output in request.outputs or (_Output(known[0]),):
        if output.name not in known:
            raise NoSuchTensor("output", output.name, known)
        if output.name in asked:
            raise OutputTwice(output.name)
        asked[output.name] = _output(output, by_default)
    return tuple(asked.values())


def _output(output: _Output, binary_by_default: bool) -> Asked:
    parameters = output.parameters or {}
    _refuse_shared_memory(output.name, parameters)
    is_binary = typed(parameters.get("binary_data", binary_by_default), bool, "binary_data")
    classes = parameters.get("classification")
    if classes is None:
        return Asked(output.name, is_binary)
    return Asked(output.name, is_binary, typed(classes, int, "classification"))


def _refuse_shared_memory(name: str, parameters: Mapping[str, object]) -> None:
    """Check that a tensor is sent in the body.

    Raises:
        SharedMemoryAsked: it is not (Triton's extension_shared_memory.md).
    """
    if any(key.startswith("shared_memory") for key in parameters):
        raise SharedMemoryAsked(name)
