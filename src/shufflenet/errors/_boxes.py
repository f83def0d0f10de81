"""Errors in data sets of boxes: COCO's JSON, YOLO's text files, Pascal VOC's XML."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from shufflenet.errors._base import count_of, first_line, shown
from shufflenet.errors._data import DataError

__all__ = [
    "AnnotationInvalid",
    "AnnotationsUnreadable",
    "BoxClassTwice",
    "BoxClassWithoutName",
    "BoxImageTwice",
    "BoxImagesMissing",
    "BoxSplitsNotChosen",
    "BoxesUnreadable",
    "ClassesOfBoxesMissing",
    "HoldsBoxes",
    "HoldsNoBoxes",
    "NoBoxes",
    "OtherImageSizes",
    "SeveralBoxSets",
    "TinyImages",
    "UnknownBoxClasses",
]

_LAYOUT = (
    "Expected, as a folder, a .tar or a .tar.gz: annotations.json of COCO's format and images/; "
    "YOLO's images/, labels/ and data.yaml; or Pascal VOC's JPEGImages/ and Annotations/."
)
_READ_AGAIN = "Export or copy it again."


class HoldsNoBoxes(DataError):
    """Data that a detector was to be trained on or measured by hold no boxes."""

    def __init__(self, source: str | Path) -> None:
        problem = "holds no boxes that a detector learns or is measured by"
        remedy = (
            f"{_LAYOUT} Folders of classes are for classifiers: shufflenet train without --task."
        )
        super().__init__(source, problem, remedy)


class BoxesUnreadable(DataError):
    """A folder, an archive or a file in one exists, but reading it fails.

    Args:
        path: The folder, the archive or the file.
        reason: What the system or the library says.
        kind: What it was read as, such as "an archive"; by default nothing in particular.
    """

    def __init__(self, path: str | Path, reason: object, kind: str = "") -> None:
        kind = f" as {kind}" if kind else ""
        reason = first_line(reason) if isinstance(reason, Exception) else reason
        super().__init__(path, f"cannot be read{kind} ({reason})", _LAYOUT)


class HoldsBoxes(DataError):
    """Data that a classifier was to be trained on or measured by hold boxes.

    Args:
        source: The data.
        title: The name of the format of the boxes.
    """

    def __init__(self, source: str | Path, title: str) -> None:
        super().__init__(
            source,
            f"holds boxes in {title}'s format, which a detector learns and is measured by",
            f"Train one with: shufflenet train --task detection --data {shlex.quote(str(source))} "
            "--out RUN; a classifier takes DATA/<class>/<image>.",
        )


class AnnotationsUnreadable(DataError):
    """A file of boxes cannot be read as what it should be.

    Args:
        path: The file.
        title: The name of the format.
        reason: Why, as a clause.
    """

    def __init__(self, path: str | Path, title: str, reason: object) -> None:
        reason = first_line(reason) if isinstance(reason, Exception) else reason
        problem = f"cannot be read as {title}'s ({reason})"
        super().__init__(path, problem, _READ_AGAIN, what="file")


class AnnotationInvalid(DataError):
    """A value in a file of boxes is none that it can be.

    Args:
        path: The file.
        place: Where it is in the file.
        value: What is there.
        expected: What should be.
    """

    def __init__(self, path: str | Path, place: str, value: object, expected: str) -> None:
        problem = f"has {shown(value)} as {place}, not {expected}"
        super().__init__(path, problem, _READ_AGAIN, what="file")


class BoxClassWithoutName(DataError):
    """A class of boxes has no name, or one that is no name."""

    def __init__(self, path: str | Path, place: str) -> None:
        problem = f"has no name of a class as {place}"
        remedy = "Give every class a name of one line and at most 256 characters."
        super().__init__(path, problem, remedy, what="file")


class BoxClassTwice(DataError):
    """Two classes of boxes have one name or number."""

    def __init__(self, path: str | Path, name: object) -> None:
        remedy = "Give every class a name and a number of its own."
        super().__init__(path, f"lists the class {shown(name)} twice", remedy, what="file")


class BoxImageTwice(DataError):
    """Two entries list one image."""

    def __init__(self, path: str | Path, name: object) -> None:
        remedy = "Leave one entry for each image."
        super().__init__(path, f"lists the image {shown(name)} twice", remedy, what="file")


class BoxImagesMissing(DataError):
    """Annotations name images that are not there."""

    def __init__(self, path: str | Path, missing: Sequence[str]) -> None:
        count = count_of(len(missing), "image")
        problem = f"names {count} of which there is no file, such as {shown(missing[0])}"
        remedy = "Put the images into the folder images beside it, under their names."
        super().__init__(path, problem, remedy, what="file")


class NoBoxes(DataError):
    """Annotations hold not one box that can be used.

    Args:
        source: The data.
        found: Sentences about what was found and left out.
    """

    def __init__(self, source: str | Path, found: Sequence[str]) -> None:
        found = found or ["Its annotations are empty."]
        super().__init__(source, "holds no box that can be used", " ".join(found))


class ClassesOfBoxesMissing(DataError):
    """Boxes have numbers of classes, and no file names the classes."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(
            source,
            "has labels of classes by number, and no file that names the classes",
            "Add data.yaml with a list called names, or classes.txt with a name a line.",
        )


class BoxSplitsNotChosen(DataError):
    """Data hold several splits with boxes, and nobody said which is meant."""

    def __init__(self, source: str | Path, training: str, other: str) -> None:
        super().__init__(
            source,
            f"holds {training!r} and {other!r}, which are splits",
            "Say which is meant: by --split train or --split val.",
        )


class SeveralBoxSets(DataError):
    """A folder holds several sets of boxes, which are no splits of one."""

    def __init__(self, source: str | Path, first: str, second: str) -> None:
        problem = f"holds several sets of boxes, such as {first!r} and {second!r}"
        super().__init__(source, problem, "Give one of them.")


class OtherImageSizes(DataError):
    """Not one image has the size that the annotations state: boxes are of other images."""

    def __init__(self, source: str | Path, image: str) -> None:
        super().__init__(
            source,
            f"has images of other sizes than its annotations state, all of them, such as {image!r}",
            "Take the images that were annotated, or scale the boxes as the images were scaled.",
        )


class TinyImages(DataError):
    """Every image has a side that is smaller than the coarsest cell of a detector."""

    def __init__(self, source: str | Path, image: str, least_px: int) -> None:
        problem = f"has images with a side of less than {least_px} px only, such as {image!r}"
        super().__init__(source, problem, "A detector finds nothing in them: take larger ones.")


class UnknownBoxClasses(DataError):
    """Boxes are of classes that a detector does not know."""

    def __init__(self, source: str | Path, unknown: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            source,
            f"has boxes of {count_of(len(unknown), 'class', 'classes')} that the model does not "
            f"know, such as {unknown[0]!r}",
            f"The model knows {count_of(len(known), 'class', 'classes')}, such as {known[0]!r}.",
        )
