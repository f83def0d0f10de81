"""Turning labels that are numbers or text into numbered classes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shufflenet.data._sets import ImageSet, Sample, check_text
from shufflenet.errors import LabelOutOfRange, NoImages, UnlabeledImage

__all__ = ["Label", "with_labels"]

Label = int | str | None


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
        LabelOutOfRange: a number has no name.
        NoImages: there is not one image.
        UnlabeledImage: an image has no label.
        ClassNameNotText: a class's name is not UTF-8.
    """
    images = list(images)
    if not images:
        raise NoImages(source)
    for sample, label in images:
        if label is None or label == "" or (isinstance(label, int) and label < 0):
            raise UnlabeledImage(source, sample.name)
    if names is None:
        texts = {str(label) for _, label in images}
        classes = sorted(texts, key=int if all(map(str.isdecimal, texts)) else None)
    else:
        classes = list(names)
    check_text(source, classes)
    index = {name: number for number, name in enumerate(classes)}
    numbers = range(len(classes))
    samples = []
    for sample, label in images:
        number = label if names is not None and isinstance(label, int) else index.get(str(label))
        if number is None or number not in numbers:
            raise LabelOutOfRange(source, sample.name, label, len(classes))
        samples.append(replace(sample, label=number))
    return ImageSet(source, tuple(classes), tuple(samples))
