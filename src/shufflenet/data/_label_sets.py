"""Images of which any number of classes may be right: multi-label sets."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shufflenet.data._labels import Classes, check_label, class_name
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import (
    AllUnlabeled,
    ClassNameWithBar,
    DoubledLabel,
    LabelEmpty,
    NoImages,
    SeveralRightClasses,
    SpecError,
)
from shufflenet.spec import Card

__all__ = [
    "BAR",
    "check_image_set",
    "check_one_label",
    "join_labels",
    "multi_label",
    "split_labels",
    "with_label_sets",
]

BAR = "|"  # between the labels of an image


def split_labels(source: str, image: str, text: str) -> tuple[str, ...]:
    """Return the labels of an image, which are separated by bars; none of an empty text.

    Raises:
        LabelEmpty: there is nothing between two bars, or beside one.

    >>> split_labels("a.csv", "0.jpg", "cat | sofa"), split_labels("a.csv", "1.jpg", " ")
    (('cat', 'sofa'), ())
    """
    if not text.strip():
        return ()
    labels = tuple(label.strip() for label in text.split(BAR))
    if "" in labels:
        raise LabelEmpty(source, image, text)
    return labels


def join_labels(images: ImageSet, sample: Sample) -> str:
    """Return the names of an image's classes, separated by bars, as ``split_labels`` reads them."""
    return BAR.join(images.classes[label] for label in sample.labels)


def with_label_sets(
    source: str,
    images: Iterable[tuple[Sample, Sequence[int | str]]],
    names: Sequence[str] | None = None,
) -> ImageSet:
    """Build a multi-label set, in the given order.

    Args:
        source: The name of the data in errors.
        images: Samples, each with its labels, as ``with_labels`` takes one; there may be none.
        names: The names of the classes, if labels are their numbers.

    Raises:
        AllUnlabeled: no image has a label.
        ClassNameNotText: a class's name is not UTF-8.
        ClassNameWithBar: a class's name holds a bar: a list of labels may have such.
        LabelEmpty: a label is empty.
        LabelNotAName: a label is too long for a name, or holds control characters.
        LabelOutOfRange: a number has no name.
        DoubledLabel: an image has a label twice.
        NoImages: there is not one image.
    """
    images = list(images)
    if not images:
        raise NoImages(source)
    for sample, labels in images:
        for label in labels:
            if label == "":
                raise LabelEmpty(source, sample.name, BAR.join(map(str, labels)))
            check_label(source, sample.name, label)
        unique = {class_name(str(label)) for label in labels}
        if len(unique) < len(labels):
            raise DoubledLabel(source, sample.name, _repeated(labels))
    classes = Classes.of(source, (label for _, labels in images for label in labels), names)
    if not any(labels for _, labels in images):
        raise AllUnlabeled(source)
    _check_names(source, classes.names)
    samples = []
    for sample, labels in images:
        numbers = sorted(classes.number(source, sample.name, label) for label in labels)
        samples.append(replace(sample, label=-1, labels=tuple(numbers)))
    return ImageSet(source, classes.names, tuple(samples), "multi-label")


def check_image_set(images: object) -> None:
    """Check that images are a set of ``open_images``, not one of boxes.

    Raises:
        SpecError: they are of another type.
    """
    if not isinstance(images, ImageSet):
        name = f"of type {type(images).__name__}"
        raise SpecError("images", name, "an ImageSet of data.open_images")


def check_one_label(images: ImageSet, card: Card) -> None:
    """Check that one class of each image is right, and that a model answers with one.

    Raises:
        SpecError: the model is a multi-label one, or the images are no set of images.
        SeveralRightClasses: the set is multi-label.
    """
    check_image_set(images)
    if card.task == "multi-label":
        expected = "'classification' to count right answers; `evaluate` measures multi-label models"
        raise SpecError("task", card.task, expected)
    if images.task == "multi-label":
        raise SeveralRightClasses(images.source, card.name)


def _repeated(labels: Sequence[int | str]) -> str:
    """Return the first label that one before it equals."""
    names = [class_name(str(label)) for label in labels]
    return next(name for number, name in enumerate(names) if name in names[:number])


def multi_label(images: ImageSet) -> ImageSet:
    """Return a set as a multi-label one: one class of each image is right, unless it is one.

    Raises:
        ClassNameWithBar: the name of a class holds a bar, which separates labels.
    """
    if images.task == "multi-label":
        return images
    _check_names(images.source, images.classes)
    samples = tuple(replace(each, label=-1, labels=(each.label,)) for each in images.samples)
    return replace(images, samples=samples, task="multi-label")


def _check_names(source: str, classes: Iterable[str]) -> None:
    """Check that labels that are joined by bars are read back as they were.

    Raises:
        ClassNameWithBar: the name of a class holds a bar.
    """
    for name in classes:
        if BAR in name:
            raise ClassNameWithBar(source, name)
