"""Errors of requests of the Open Inference Protocol, each with the HTTP status that answers it."""

from collections.abc import Iterable, Sequence

from shufflenet.errors._base import shown
from shufflenet.errors._requests import RequestError

__all__ = [
    "BrokenElement",
    "BrokenEncoding",
    "BytesLeft",
    "DataNotOnce",
    "JsonTooLarge",
    "NoSuchTensor",
    "NotClassified",
    "NotEmbeddedFrom",
    "OtherData",
    "OtherDatatype",
    "OtherHeaderLength",
    "OtherInputs",
    "OtherLength",
    "OtherShape",
    "OutputTwice",
    "SharedMemoryAsked",
    "UnknownEncoding",
    "UnknownVersion",
]


class UnknownEncoding(RequestError):
    """A body is encoded in a way that is not read."""

    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The body is encoded as {shown(encoding)}. Send it as it is, or by gzip or deflate."
        )


class BrokenEncoding(RequestError):
    """A body is not encoded as its header says."""

    def __init__(self, encoding: str, reason: str) -> None:
        super().__init__(f"The body cannot be decoded as {encoding}: {reason}.")


class JsonTooLarge(RequestError):
    """The JSON of a request is larger than is parsed.

    Args:
        limit: How much it may have.
        unit: Of what, such as "bytes".
    """

    status = 413

    def __init__(self, limit: int, unit: str) -> None:
        super().__init__(
            f"The JSON of a request may have at most {limit:,} {unit}. "
            "Send the tensor as binary data."
        )


class OtherHeaderLength(RequestError):
    """The header that tells where the JSON ends is no such number."""

    def __init__(self, value: str, body_bytes: int) -> None:
        super().__init__(
            f"Inference-Header-Content-Length is {shown(value)}, but must be the number of bytes "
            f"of the JSON, from 1 to the {body_bytes} of the body."
        )


class BytesLeft(RequestError):
    """A body has another length than its JSON and its tensors together."""

    def __init__(self, binary_bytes: int, expected: int) -> None:
        super().__init__(
            f"After the JSON the body has {binary_bytes} bytes, but its tensors have {expected} "
            "by binary_data_size."
        )


class UnknownVersion(RequestError):
    """A model is served, but not in that version."""

    status = 404

    def __init__(self, model: str, version: str, known: str) -> None:
        super().__init__(
            f"The model {shown(model)} has no version {shown(version)}, only {known!r}."
        )


class NoSuchTensor(RequestError):
    """A model has no input or output of that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"The model has no {kind} called {shown(name)}, but {_list(known, 'and')}."
        )


class OtherInputs(RequestError):
    """A request gives no input, or several."""

    def __init__(self, number: int, known: Iterable[str]) -> None:
        super().__init__(
            f"A request has exactly one input, {_list(known, 'or')}, but this one has {number}."
        )


class OtherDatatype(RequestError):
    """An input is of a type that is not read."""

    def __init__(self, name: str, datatype: str, allowed: Iterable[str]) -> None:
        super().__init__(
            f"The input {name!r} is of datatype {shown(datatype)}, but must be "
            f"{_list(allowed, 'or')}."
        )


class OtherShape(RequestError):
    """An input has a shape that the model does not take.

    Args:
        name: The input.
        shape: Its shape.
        expected: The shape that it must have, where -1 is any number of images.
    """

    def __init__(self, name: str, shape: Sequence[int], expected: Sequence[int]) -> None:
        super().__init__(
            f"The input {name!r} has the shape {shown(list(shape))}, but must have "
            f"{list(expected)}, of at least one image."
        )


class OtherLength(RequestError):
    """The data of an input is not as long as its shape says.

    Args:
        name: The input.
        actual: How many there are.
        expected: How many there must be.
        unit: Of what, such as "bytes".
    """

    def __init__(self, name: str, actual: int, expected: int, unit: str) -> None:
        super().__init__(
            f"The data of the input {name!r} has {actual} {unit}, but its shape needs "
            f"{shown(expected)}."
        )


class OtherData(RequestError):
    """The data of an input is of another kind than its type says."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"The data of the input {name!r} must be {expected}.")


class BrokenElement(RequestError):
    """One of the image files of a request cannot be read."""

    status = 422

    def __init__(self, name: str, at: int, problem: str) -> None:
        super().__init__(f"The image {name}[{at}] cannot be read: {problem}.")


class DataNotOnce(RequestError):
    """An input has no data, or has it twice."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The input {name!r} must have either 'data' or the parameter 'binary_data_size'."
        )


class SharedMemoryAsked(RequestError):
    """A tensor is to be in memory that the client shares."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The tensor {shown(name)} is to be in shared memory, which this service has not. "
            "Send and ask for data in the body."
        )


class OutputTwice(RequestError):
    """An output is asked for more than once."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The output {name!r} is asked for more than once.")


class NotClassified(RequestError):
    """Classes are asked of an output that has none."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The output {name!r} has no classes. Ask for 'classification' of 'logits' or "
            "'probabilities'."
        )


class NotEmbeddedFrom(RequestError):
    """Embeddings are asked of prepared images."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Embeddings are not computed from the input {name!r}. Give 'pixels' or 'files'."
        )


def _list(names: Iterable[str], last: str) -> str:
    *most, end = map(repr, names)
    return f"{', '.join(most)} {last} {end}" if most else end
