"""Turning labels that are numbers or text into numbered classes."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace

from shufflenet.data._sets import ImageSet, Sample, check_text
from shufflenet.errors import LabelNotAName, LabelOutOfRange, NoImages, UnlabeledImage

__all__ = ["Label", "class_name", "class_order", "with_labels"]

Label = int | str | None
_LONGEST = 256  # characters of a class's name, as of a file's
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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
        _check_label(source, sample.name, label)
    if names is None:
        classes = class_order({class_name(str(label)) for _, label in images})
    else:
        classes = list(names)
    check_text(source, classes)
    index = {class_name(name): number for number, name in enumerate(classes)}
    numbers = range(len(classes))
    samples = []
    for sample, label in images:
        if names is not None and isinstance(label, int):
            number: int | None = label
        else:
            number = index.get(class_name(str(label)))
        if number is None or number not in numbers:
            raise LabelOutOfRange(source, sample.name, label, len(classes))
        samples.append(replace(sample, label=number))
    return ImageSet(source, tuple(classes), tuple(samples))


def _check_label(source: str, image: str, label: Label) -> None:
    if label is None or label == "" or (isinstance(label, int) and label < 0):
        raise UnlabeledImage(source, image)
    if isinstance(label, str) and (len(label) > _LONGEST or _CONTROL.search(label)):
        raise LabelNotAName(source, image, label)


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
