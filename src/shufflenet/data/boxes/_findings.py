"""What was understood of a data set of boxes, and what of it is changed or left out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shufflenet.data._findings import some_of

__all__ = ["TITLES", "BoxFindings", "BoxFormat", "Counted", "Tally"]

BoxFormat = Literal["coco", "yolo", "voc"]
TITLES: dict[BoxFormat, str] = {"coco": "COCO", "yolo": "YOLO", "voc": "Pascal VOC"}


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are of something, and where the first is.

    Attributes:
        count: How many.
        first: The image, the file or the box's place that the first was found in.
    """

    count: int = 0
    first: str = ""


_NONE = Counted()


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFindings:
    """What was understood of a data set of boxes, and what of it is changed or left out.

    Attributes:
        format: How the boxes are written.
        annotations: The file or folder that they are read from.
        split: The part that is used, where the data hold several splits.
        validation: The part to measure on, if there is one among the splits.
        other_splits: The parts beside the one that is used.
        without_boxes: Images without a box; they are used.
        ignored: Boxes that count neither for nor against a detector: COCO's crowds, VOC's difficult
            objects.
        outlined: Boxes around outlines, which the lines of some YOLO files are.
        clipped: Boxes that stuck out of their image by more than a pixel and are cut at its edge.
        empty: Boxes of no area inside of their image, left out.
        doubled: Boxes that another of the same class in the same image equals, left out.
        unknown_classes: Boxes of classes that are not listed, by class, left out.
        other_classes: Boxes of classes that a detector does not know, by class, left out.
        unknown_images: Boxes of images that are not listed, left out.
        unreadable: Images that cannot be read, left out with their boxes.
        unlisted: Images that the annotations do not name, left out.
        orphans: Files of boxes without an image, left out.
        other_sizes: Images of another size than the annotations state; boxes are taken as they are.
        small: Images with a side of less than 32 px; they are used.
        unused_classes: Classes without a box.
    """

    format: BoxFormat = "coco"
    annotations: str = ""
    split: str = ""
    validation: str = ""
    other_splits: tuple[str, ...] = ()
    without_boxes: int = 0
    ignored: int = 0
    outlined: Counted = _NONE
    clipped: Counted = _NONE
    empty: Counted = _NONE
    doubled: Counted = _NONE
    unknown_classes: Mapping[str, int] = field(default_factory=dict)
    other_classes: Mapping[str, int] = field(default_factory=dict)
    unknown_images: Counted = _NONE
    unreadable: Counted = _NONE
    unlisted: Counted = _NONE
    orphans: Counted = _NONE
    other_sizes: Counted = _NONE
    small: Counted = _NONE
    unused_classes: tuple[str, ...] = ()

    def sentences(self, source: str) -> list[str]:
        """Return whole sentences about what is changed, left out or strange; none where nothing is.

        Args:
            source: The name of the data, as ``BoxSet.source`` is.
        """
        parts = [
            self.split
            and f"{source!r} is one of several splits; beside it are {some_of(self.other_splits)}."
        ]
        for name, what in _ABOUT.items():
            counted: Counted = getattr(self, name)
            if counted.count:
                first = f", such as {_place(counted.first)}" if counted.first else ""
                parts.append(f"{what}: {counted.count}{first}.")
        parts.append(_about_classes(self.unknown_classes, "are not listed"))
        parts.append(_about_classes(self.other_classes, "the model does not know"))
        if self.unused_classes:
            parts.append(f"Classes without a box in {source!r}: {some_of(self.unused_classes)}.")
        return [part for part in parts if part]


def _about_classes(counts: Mapping[str, int], which: str) -> str:
    if not counts:
        return ""
    names = some_of(tuple(counts))
    return f"Boxes left out, of classes that {which}: {sum(counts.values())}, of {names}."


_ABOUT = {
    "outlined": "Outlines taken as the boxes around them",
    "clipped": "Boxes cut at the edges of their images",
    "empty": "Boxes left out, of no area in their images",
    "doubled": "Boxes left out, equal to others of their classes and images",
    "unknown_images": "Boxes left out, of images that are not listed",
    "unreadable": "Images left out, which cannot be read",
    "unlisted": "Images left out, which the annotations do not name",
    "orphans": "Files of boxes left out, without an image",
    "other_sizes": "Images of other sizes than the annotations state",
    "small": "Images with a side of less than 32 px",
}


class Tally:
    """Counts what is found while boxes are read."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._first: dict[str, str] = {}
        self._classes = Counter[str]()

    def add(self, what: str, place: str, count: int = 1) -> None:
        """Count something of a field of ``BoxFindings`` at a place, as in an image."""
        if count:
            self._counts[what] += count
            self._first.setdefault(what, place)

    def add_unknown_class(self, name: str) -> None:
        """Count a box of a class that is not listed."""
        self._classes[name] += 1

    @property
    def counts(self) -> dict[str, Counted]:
        """What was counted, by field of ``BoxFindings``."""
        return {name: Counted(count, self._first[name]) for name, count in self._counts.items()}

    @property
    def unknown_classes(self) -> dict[str, int]:
        """How many boxes are of classes that are not listed, by class."""
        return dict(self._classes)


def _place(text: str) -> str:
    return repr(text if len(text) <= 80 else f"...{text[-77:]}")
