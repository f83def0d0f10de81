"""What the service accepts at most."""

from dataclasses import dataclass

from shufflenet.errors import SpecError

__all__ = ["Limits"]

_COUNTS = (
    "request_bytes",
    "pixels",
    "request_pixels",
    "images",
    "waiting",
    "held_bytes",
    "batch",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of requests and of what waits, so that no client stalls the service.

    Attributes:
        request_bytes: Bytes of a request's body; a longer one is answered with 413.
        pixels: Pixels of an image, before it is decoded; a larger one is an error of that image.
        request_pixels: Pixels of all images of a request; those beyond are errors of their images.
        images: Images of a request; more are answered with 413.
        waiting: Images that a process has accepted and not answered yet; beyond, requests are
            answered with 429 and ``Retry-After``.
        held_bytes: Bytes of bodies that a process holds at once; likewise 429.
        seconds: Until a body has arrived, else 408; and, once it has, until it is answered, else
            503.
        batch: Images that are computed at once.
        batch_wait_ms: Milliseconds that a decoded image waits at most for others to be decoded.
    """

    request_bytes: int = 32 << 20
    pixels: int = 50_000_000
    request_pixels: int = 400_000_000
    images: int = 64
    waiting: int = 256
    held_bytes: int = 256 << 20
    seconds: float = 30
    batch: int = 8
    batch_wait_ms: float = 10

    def __post_init__(self) -> None:
        for field in _COUNTS:
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SpecError(field, value, "a whole number of at least 1")
        for field, least in (("seconds", 0.001), ("batch_wait_ms", 0)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise SpecError(field, value, "a number")
            if not least <= value <= 86_400:
                raise SpecError(field, value, f"from {least} to 86400")
        if self.images > self.waiting:
            raise SpecError("images", self.images, f"at most waiting, which is {self.waiting}")
        if self.pixels > self.request_pixels:
            limit = f"at most request_pixels, which is {self.request_pixels}"
            raise SpecError("pixels", self.pixels, limit)
        if self.request_bytes > self.held_bytes:
            limit = f"at most held_bytes, which is {self.held_bytes}"
            raise SpecError("request_bytes", self.request_bytes, limit)
