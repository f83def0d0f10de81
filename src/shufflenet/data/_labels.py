"""Turning labels that are numbers or text into numbered classes."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shufflenet.data._sets import ImageSet, Sample, check_text
from shufflenet.errors import LabelNotAName, LabelOutOfRange, NoImages, UnlabeledImage

__all__ = ["Classes", "Label", "check_label", "class_name", "class_order", "is_name", "with_labels"]

Label = int | str | None
_LONGEST = 256  # characters of a class's name, as of a file's
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")  # and what XML cannot hold


def with_labels(
    source: str, images: Iterable[tuple[Sample, Label]], names: Sequence[str] | None = None
) -> ImageSet:
    """Build a set of images with labels, in the given order.

    Args:
        source: The name of the data in errors.
        images: Samples, whose own label is ignored, each with its label.
        names: The names of the classes, if labels are their numbers. Without them a label is a
            class's name, and classes are sorted by name, or by number if all labels are numbers.

    Raises:
        LabelNotAName: a label is too long for a name, or holds control characters.
        LabelOutOfRange: a number has no name.
        NoImages: there is not one image.
        UnlabeledImage: an image has no label.
        ClassNameNotText: a class's name is not UTF-8.
    """
    images = list(images)
    if not images:
        raise NoImages(source)
    for sample, label in images:
        check_label(source, sample.name, label)
    classes = Classes.of(source, (label for _, label in images), names)
    samples = (
        replace(sample, label=classes.number(source, sample.name, label))
        for sample, label in images
    )
    return ImageSet(source, classes.names, tuple(samples))


@dataclass(frozen=True, slots=True)
class Classes:
    """Names of classes, by which labels are numbered.

    Attributes:
        names: The names, in the order of their numbers.
        numbered: Whether a label that is a whole number is that of a class.
        index: The number of each name, as ``class_name`` writes it.
    """

    names: tuple[str, ...]
    numbered: bool
    index: Mapping[str, int]

    @classmethod
    def of(cls, source: str, labels: Iterable[Label], names: Sequence[str] | None) -> "Classes":
        """Return the given classes, or those that labels name.

        Raises:
            ClassNameNotText: a class's name is not UTF-8.
        """
        is_given = names is not None
        if names is None:
            names = class_order({class_name(str(label)) for label in labels})
        check_text(source, names)
        index = {class_name(name): number for number, name in enumerate(names)}
        return cls(tuple(names), is_given, index)

    def number(self, source: str, image: str, label: Label) -> int:
        """Return the number of an image's label.

        Raises:
            LabelOutOfRange: no class has it.
        """
        is_number = self.numbered and isinstance(label, int)
        number = label if is_number else self.index.get(class_name(str(label)))
        if not isinstance(number, int) or number not in range(len(self.names)):
            raise LabelOutOfRange(source, image, label, len(self.names))
        return number


def check_label(source: str, image: str, label: Label) -> None:
    """Check that a label can be a class's name or number.

    Raises:
        UnlabeledImage: it is empty.
        LabelNotAName: it is too long for a name, or holds control characters.
    """
    if label is None or label == "" or (isinstance(label, int) and label < 0):
        raise UnlabeledImage(source, image)
    if isinstance(label, str) and not is_name(label):
        raise LabelNotAName(source, image, label)


def is_name(text: str) -> bool:
    """Return whether a text can be a class's name: it is not empty, short, and of one line."""
    return bool(text.strip()) and len(text) <= _LONGEST and not _CONTROL.search(text)


def class_name(text: str) -> str:
    """Return a class's name by which names that look the same are equal.

    Unicode writes an accent with its letter or after it (macOS does the latter in names of files),
    and white space at the ends is not seen. Capitals are: they tell classes apart.

    >>> class_name("Ka\u0308fer ") == class_name("K\u00e4fer")
    True
    """
    return unicodedata.normalize("NFC", text).strip() or text


def class_order(names: Iterable[str]) -> list[str]:
    """Return classes in the order of their numbers: by name, or by value if all are numbers.

    >>> class_order(["10", "9", "007"]), class_order(["10", "9", "a"])
    (['007', '9', '10'], ['10', '9', 'a'])
    """
    names = list(names)
    if not all(name.isascii() and name.isdecimal() for name in names):
        return sorted(names)
    return sorted(names, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name))
