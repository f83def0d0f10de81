"""Units of a source, in its order, and the parts that they are cut into."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from shufflenet.errors import SpecError
from shufflenet.files.stores import Entry

__all__ = ["COPIED", "Form", "Limits", "Part", "Totals", "Unit", "cut", "version_of"]

# A file, a byte range of one, a whole archive, or a group of rows of a parquet file.
Form: TypeAlias = Literal["file", "range", "archive", "rows"]

COPIED = "a copy of "  # begins the version of what is in a temporary file of its own

_FIRST_IMAGES, _SAME_SIZE = 128, 16  # the first parts are small, so that answers come soon


@dataclass(frozen=True, slots=True)
class Unit:
    """What a source lists: an image, or a file with several.

    Attributes:
        name: Of the image, as its answer names it; of a file with several, what their names begin
            with.
        at: Its file: a path in the source's store, or an address of its own.
        form: What of the file it is.
        start: The first byte of a range, or the number of a group of rows.
        size: Bytes; -1 if they are not known.
        images: How many images; 0 if that is not known before it is read.
        version: What tells that the file was not written again; empty if nothing does.
    """

    name: str
    at: str
    form: Form = "file"
    start: int = 0
    size: int = -1
    images: int = 1
    version: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Units that are answered together.

    Attributes:
        number: From 0, in the order of the source.
        fingerprint: 16 hexadecimal digits, a hash of the units and of what is done with them.
        units: At least one.
    """

    number: int
    fingerprint: str
    units: tuple[Unit, ...]

    @property
    def images(self) -> int:
        """The number of images; 0 if it is not known for each unit."""
        counts = [unit.images for unit in self.units]
        return sum(counts) if all(counts) else 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How large parts may become: they end before either limit, but hold at least one unit."""

    images: int = 4096
    bytes: int = 1 << 30

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            SpecError: one is below 1.
        """
        for name in ("images", "bytes"):
            if getattr(self, name) < 1:
                raise SpecError(f"the {name} of a part", getattr(self, name), "at least 1")

    def images_of(self, number: int) -> int:
        """Return how many images the part of a number has at most.

        >>> [Limits().images_of(number) for number in (0, 15, 16, 32, 79, 80, 1000)]
        [128, 128, 256, 512, 2048, 4096, 4096]
        """
        doublings = min(number // _SAME_SIZE, self.images.bit_length())
        return min(self.images, _FIRST_IMAGES << doublings)


@dataclass
class Totals:
    """Counts of the parts of a source, and one fingerprint of them all."""

    parts: int = 0
    images: int = 0
    unknown: int = 0  # parts of which the number of images is not known
    _hash: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, part: Part) -> None:
        """Count a part."""
        self.parts += 1
        self.images += part.images
        self.unknown += not part.images
        self._hash.update(part.fingerprint.encode())

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, a hash of the fingerprints of all parts in their order."""
        return self._hash.hexdigest()


def cut(units: Iterable[Unit], limits: Limits, purpose: str = "") -> Iterator[Part]:
    """Cut units into parts; the same units, limits and purpose give the same parts.

    A unit of which the number of images is not known is a part of its own.

    Args:
        units: Of a source, in its order.
        limits: How large parts may become.
        purpose: What is done with them: parts of another have other fingerprints.
    """
    number = images = size = 0
    held: list[Unit] = []
    for unit in units:
        full = images + unit.images > limits.images_of(number) or size + unit.size > limits.bytes
        if held and (full or not (unit.images and images)):
            yield _part(number, held, purpose)
            number, held, images, size = number + 1, [], 0, 0
        held.append(unit)
        images, size = images + unit.images, size + max(0, unit.size)
    if held:
        yield _part(number, held, purpose)


def _part(number: int, units: list[Unit], purpose: str) -> Part:
    found = hashlib.blake2b(purpose.encode("utf-8", "surrogatepass"), digest_size=8)
    for unit in units:
        fields = (unit.name, unit.form, unit.start, unit.size, unit.images, unit.version)
        found.update(repr(fields).encode("utf-8", "surrogatepass"))
    return Part(number, found.hexdigest(), tuple(units))


def version_of(entry: Entry) -> str:
    """Return what tells that a file was written again: its size and the time of that."""
    return f"{entry.size} {entry.changed_ns}"
