"""From images that bear their labels, as numbers or as text, to a set with classes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shufflenet.data._sets import ImageSet, Sample, check_text
from shufflenet.errors import LabelOutOfRange, NoImages, UnlabeledImage

__all__ = ["Label", "labelled"]

Label = int | str | None


def labelled(
    source: str, images: Iterable[tuple[Sample, Label]], names: Sequence[str] | None = None
) -> ImageSet:
    """Make a set of images and their labels; they stay in the order given.

    Args:
        source: What errors call the data.
        images: Samples whose own label does not count, and the labels that do.
        names: What classes are called, where labels are their numbers. Without them a label is
            a class's name, and classes come in the order of their names; of their numbers, where
            all labels are numbers.

    Raises:
        DataError: there are no images, one has no label, or a number has no name.
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
