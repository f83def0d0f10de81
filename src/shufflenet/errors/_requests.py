"""Errors of requests to the service, each with the HTTP status that answers it."""

from collections.abc import Iterable
from typing import ClassVar

from shufflenet.errors._base import ShuffleNetError, count_of, shown

__all__ = [
    "BodyTooLarge",
    "BrokenMultipart",
    "ClassifierAsked",
    "DetectorAsked",
    "EncodedBody",
    "ModelNotServed",
    "NoImageSent",
    "NotAnsweredInTime",
    "NotEmbedded",
    "NotImageBody",
    "QueueFull",
    "RequestError",
    "SlowSender",
    "TooManyImages",
]


class RequestError(ShuffleNetError):
    """A request to the service that is not answered with a result.

    Attributes:
        status: The HTTP status of the answer (RFC 9110, section 15).
        retry_seconds: Seconds after which the client may try again; 0 if that is of no use.
    """

    status: ClassVar[int] = 400
    retry_seconds: int = 0


class BodyTooLarge(RequestError):
    """A body has more bytes than one request may."""

    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The body of a request may have at most {limit_bytes:,} bytes. "
            "Send fewer images at once, or smaller ones."
        )


class TooManyImages(RequestError):
    """A request holds more images than one may."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"A request may hold at most {count_of(limit, 'image')}. Send the others in another."
        )


class NotImageBody(RequestError):
    """The content type of a body is that of something else than an image or a form."""

    status = 415

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"The body is of type {shown(content_type)}. Send an image as it is "
            "(image/*, application/octet-stream), or several as multipart/form-data."
        )


class EncodedBody(RequestError):
    """The body of a request for ``/v1`` is compressed, which images are by themselves."""

    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The body is encoded by {shown(encoding)}. Send images as they are, without "
            "Content-Encoding."
        )


class BrokenMultipart(RequestError):
    """A multipart body cannot be read."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"The body is no complete multipart/form-data: {reason}.")


class NoImageSent(RequestError):
    """A body is empty."""

    def __init__(self) -> None:
        super().__init__("The request holds no image. Send one as its body, or several as parts.")


class ModelNotServed(RequestError):
    """A request names a model that is none of the service's."""

    status = 404

    def __init__(self, name: str, served: Iterable[str]) -> None:
        names = ", ".join(served)
        super().__init__(f"No model is served by the name {shown(name)}. Served: {names}.")


class SlowSender(RequestError):
    """A body did not arrive in time."""

    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:g} seconds.")


class QueueFull(RequestError):
    """More images wait than the service accepts."""

    status = 429

    def __init__(self, retry_seconds: int) -> None:
        self.retry_seconds = retry_seconds
        super().__init__(
            "The service has as much to do as it accepts. "
            f"Try again in {count_of(retry_seconds, 'second')}."
        )


class NotAnsweredInTime(RequestError):
    """A request that was accepted could not be answered in time."""

    status = 503

    def __init__(self, seconds: float, retry_seconds: int) -> None:
        self.retry_seconds = retry_seconds
        super().__init__(
            f"The service could not answer within {seconds:g} seconds. "
            f"Try again in {count_of(retry_seconds, 'second')}."
        )


class NotEmbedded(RequestError):
    """Embeddings are asked of a model that computes only logits."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {shown(model)} computes no embeddings, for its file gives only logits. "
            "Serve its .onnx or .safetensors file."
        )


class DetectorAsked(RequestError):
    """Something else than boxes is asked of a detector.

    Args:
        model: The name that it is served by.
        lacks: What it lacks, as a predicate: "has no embeddings".
    """

    def __init__(self, model: str, lacks: str) -> None:
        super().__init__(
            f"The model {shown(model)} is a detector, which finds boxes and {lacks}. "
            "Send the request to /v1/detect."
        )


class ClassifierAsked(RequestError):
    """Boxes are asked of a classifier."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {shown(model)} is a classifier, which finds no boxes. "
            "Send the request to /v1/classify, or name a detector."
        )
