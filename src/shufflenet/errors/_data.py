"""Errors in images and data sets."""

from collections.abc import Sequence
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, count_of, first_line

__all__ = [
    "AmbiguousClass",
    "BlankImages",
    "ClassNameNotText",
    "DataError",
    "DataMissing",
    "DataNotAFile",
    "DataUnreadable",
    "ImageError",
    "ImagesOutsideClassFolders",
    "LabelNotAName",
    "LabelOutOfRange",
    "LogitsNotFinite",
    "LogitsOfOtherImages",
    "LogitsUnreadable",
    "MissingClasses",
    "NoImages",
    "NoReadableImages",
    "NumberedClasses",
    "OneClass",
    "ShardIncomplete",
    "ShardsDisagree",
    "ShardsUnlabeled",
    "TooFewImages",
    "TooFewToSplit",
    "UnknownClassFolders",
    "UnknownDataFormat",
    "UnlabeledImage",
]

_LAYOUT = (
    "Expected: DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset shards; "
    "parquet with image and label; or a .csv of path and label."
)
_PHOTOS = "Give a folder of class folders with some hundred photos."


class ImageError(ShuffleNetError):
    """A file cannot be read as an image."""

    def __init__(self, name: str, problem: str) -> None:
        self.problem = problem
        super().__init__(f"Cannot read {name!r} as an image: {problem}.")


class DataError(ShuffleNetError):
    """A data set is not what training or evaluation needs."""

    def __init__(
        self, source: str | Path, problem: str, remedy: str, *, what: str = "data in"
    ) -> None:
        super().__init__(f"The {what} {str(source)!r} {problem}. {remedy}")


# --- finding and opening the data ---


class DataMissing(DataError):
    """There is no such file or folder."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, "does not exist", _LAYOUT)


class DataNotAFile(DataError):
    """The path leads to a pipe, a device or a socket."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, "is neither a folder nor a regular file", _LAYOUT)


class UnknownDataFormat(DataError):
    """The file has the suffix of no known kind of data."""

    def __init__(self, source: str | Path) -> None:
        problem = "is neither a folder nor a .tar, .tar.gz, .parquet or .csv"
        is_json = Path(source).suffix.lower() == ".json"
        boxes = (
            " COCO's JSON is for detectors: shufflenet train --task detection." if is_json else ""
        )
        super().__init__(source, problem, _LAYOUT + boxes)


class DataUnreadable(DataError):
    """A file or folder exists, but reading it fails.

    Args:
        source: The file or folder.
        reason: What the system or the library says.
        kind: What it was read as, such as "an archive"; by default nothing in particular.
    """

    def __init__(self, source: str | Path, reason: object, kind: str = "") -> None:
        kind = f" as {kind}" if kind else ""
        reason = first_line(reason) if isinstance(reason, Exception) else reason
        super().__init__(source, f"cannot be read{kind} ({reason})", _LAYOUT)


class ShardIncomplete(DataError):
    """A shard holds fewer images than its header states."""

    def __init__(self, path: str | Path, images: int, expected: int) -> None:
        problem = f"is truncated: it holds {images} images of {expected}"
        super().__init__(path, problem, "Copy or pack it again.")


class ShardsDisagree(DataError):
    """Shards that were named together list different classes."""

    def __init__(self, source: str | Path) -> None:
        problem = "holds shards that list different classes"
        super().__init__(source, problem, "Name shards of one data set.")


# --- images and their classes ---


class NoImages(DataError):
    """There is not one image file.

    Args:
        source: The data.
        others: How many files of other endings there are.
    """

    def __init__(self, source: str | Path, others: int = 0) -> None:
        beside = f", but {count_of(others, 'file')} without an image's ending" if others else ""
        super().__init__(source, f"holds no images{beside}", _LAYOUT)


class NoReadableImages(DataError):
    """There are image files, but none of those that were tried can be decoded."""

    def __init__(self, source: str | Path) -> None:
        remedy = "See what is wrong with each: shufflenet predict."
        super().__init__(source, "holds no image that can be read", remedy)


class ImagesOutsideClassFolders(DataError):
    """An image is in no class folder."""

    def __init__(self, source: str | Path, image: str) -> None:
        problem = f"holds images that are in no class folder, such as {image!r}"
        super().__init__(source, problem, _LAYOUT)


class ShardsUnlabeled(DataError):
    """The images of shards have neither labels nor class folders."""

    def __init__(self, source: str | Path) -> None:
        problem = "holds images that are in no class folder and have no .cls or .json with a label"
        super().__init__(source, problem, _LAYOUT)


class ClassNameNotText(DataError):
    """A class folder's name is not UTF-8, which a card is written in."""

    def __init__(self, source: str | Path, name: bytes) -> None:
        super().__init__(
            source,
            f"has a class folder whose name is not UTF-8, {name!r}",
            "Rename it: models store the names of their classes in UTF-8.",
        )


class UnlabeledImage(DataError):
    """An image has no label where others have one."""

    def __init__(self, source: str | Path, image: str) -> None:
        problem = f"has an image without a label, {image!r}"
        super().__init__(source, problem, "Give every image a label, or remove it.")


class LabelNotAName(DataError):
    """A label is too long for a class's name, or holds control characters."""

    def __init__(self, source: str | Path, image: str, label: str) -> None:
        problem = f"labels {image!r} by what is no name of a class, {label[:40]!r}"
        super().__init__(source, problem, "A name has one line and at most 256 characters.")


class LabelOutOfRange(DataError):
    """A label is not the number of a class."""

    def __init__(self, source: str | Path, image: str, label: object, classes: int) -> None:
        problem = f"labels {image!r} {label!r}, but names {count_of(classes, 'class', 'classes')}"
        super().__init__(source, problem, "Labels count from 0 to one less than the names.")


class UnknownClassFolders(DataError):
    """Class folders have names that the model does not know by identifier, or by name."""

    def __init__(
        self,
        source: str | Path,
        unknown: Sequence[str],
        known: Sequence[str],
        names: Sequence[str] = (),
    ) -> None:
        example = repr(known[0])
        if names and names[0] != known[0]:
            example += f" or, by its whole name, {names[0]!r}; `shufflenet show --json` lists both"
        super().__init__(
            source,
            f"has {count_of(len(unknown), 'class folder')} that the model does not know, such as "
            f"{unknown[0]!r}",
            f"The model knows {count_of(len(known), 'class', 'classes')}, such as {example}.",
        )


class AmbiguousClass(DataError):
    """A class of the data fits several classes of the model."""

    def __init__(self, source: str | Path, name: str, numbers: Sequence[int]) -> None:
        numbered = " and ".join(map(str, numbers[:3]))
        super().__init__(
            source,
            f"has a class {name!r}, which the model's classes {numbered} are both called",
            "Name the class by its identifier; `shufflenet show --json` lists them.",
        )


class NumberedClasses(DataError):
    """Classes of the data are called by numbers that the model's classes do not have."""

    def __init__(self, source: str | Path, largest: int, classes: int) -> None:
        super().__init__(
            source,
            f"labels images by numbers up to {largest}, and the model's {classes} classes have the "
            f"numbers 0 to {classes - 1}",
            "Count from 0 in the model's order, or label by identifiers or names.",
        )


class TooFewToSplit(DataError):
    """A class has a single image, which cannot be in both parts of a split."""

    def __init__(self, source: str | Path, class_name: str) -> None:
        super().__init__(
            source,
            f"cannot be split, because class {class_name!r} has one image",
            "Add images, or give a validation set of your own with --val.",
        )


class OneClass(DataError):
    """A training set has a single class."""

    def __init__(self, source: str | Path, class_name: str) -> None:
        remedy = "Training needs two or more class folders."
        super().__init__(source, f"has one class, {class_name!r}", remedy)


class MissingClasses(DataError):
    """A validation set lacks classes of the training set."""

    def __init__(self, source: str | Path, missing: Sequence[str], classes: int) -> None:
        problem = f"has no image of {len(missing)} of {classes} classes, such as {missing[0]!r}"
        super().__init__(source, problem, "Validation must cover every class that is trained.")


class TooFewImages(DataError):
    """There are fewer images than quantizing needs."""

    def __init__(self, source: str | Path, readable: int) -> None:
        problem = f"holds {count_of(readable, 'readable image')}, and quantizing needs at least 2"
        super().__init__(source, problem, _PHOTOS)


class BlankImages(DataError):
    """All images have a single color each, which calibrates nothing."""

    def __init__(self, source: str | Path) -> None:
        problem = "is blank: every image that was drawn has one color"
        super().__init__(source, problem, _PHOTOS)


# --- a teacher's logits in a file ---


class _LogitsError(DataError):
    """A file of a teacher's logits cannot be used."""

    def __init__(self, path: str | Path, problem: str, expected: tuple[int, int]) -> None:
        images, classes = expected
        remedy = f"Expected: logits of {images} images and {classes} classes, a .npy file."
        super().__init__(path, problem, remedy, what="file")


class LogitsUnreadable(_LogitsError):
    """Reading the file as one array fails."""

    def __init__(self, path: str | Path, reason: object, expected: tuple[int, int]) -> None:
        super().__init__(path, f"cannot be read as a .npy file ({reason})", expected)


class LogitsOfOtherImages(_LogitsError):
    """The array has another shape or type."""

    def __init__(
        self, path: str | Path, dtype: object, shape: tuple[int, ...], expected: tuple[int, int]
    ) -> None:
        super().__init__(path, f"is {dtype} of shape {shape}", expected)


class LogitsNotFinite(_LogitsError):
    """The array holds infinities or NaN."""

    def __init__(self, path: str | Path, expected: tuple[int, int]) -> None:
        super().__init__(path, "holds infinities or NaN", expected)
