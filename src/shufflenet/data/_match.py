"""Fitting the classes of a set to those of a model, whatever their order."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shufflenet.data._labels import class_name
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import AmbiguousClass, NumberedClasses, UnknownClassFolders
from shufflenet.spec import Label

__all__ = ["fitting_numbers", "label_as", "relabel"]


def relabel(images: ImageSet, classes: Sequence[str], index: Mapping[str, int]) -> ImageSet:
    """Renumber the labels of a set as ``classes`` are numbered.

    Names that look the same are equal, see ``class_name``.

    Args:
        images: The set to relabel.
        classes: The classes, in their order.
        index: From every folder name that is known to its class's number; several names may share
            one.

    Raises:
        UnknownClassFolders: a class folder's name is not in ``index``.
    """
    known = {class_name(name): number for name, number in index.items()}
    numbers = [known.get(class_name(name)) for name in images.classes]
    unknown = [n for n, number in zip(images.classes, numbers, strict=True) if number is None]
    if unknown:
        raise UnknownClassFolders(images.source, unknown, classes)
    return _renumber(images, classes, numbers)


def label_as(images: ImageSet, labels: Sequence[Label], *, partial: bool = False) -> ImageSet:
    """Renumber the labels of a set as a model numbers its classes.

    A class of the set is a class of the model by its identifier or, if only one class has it, by
    its name; names that look the same are equal, see ``class_name``. If all identifiers of the
    model are numbers, those of one value are equal too, for spreadsheets drop zeros in front.
    Otherwise, if none fits and all classes of the set are called by numbers, these are the numbers
    of the model's classes, from 0.

    Args:
        images: The set to relabel. Of a multi-label set it is such labels that are left out, and
            never an image.
        labels: The model's classes, in its order.
        partial: Whether images of classes that the model lacks are left out, and counted in
            ``findings.unknown_classes``; otherwise they are refused. They always are if no class
            fits.

    Raises:
        AmbiguousClass: a class of the set fits several of the model.
        NumberedClasses: classes are called by numbers of which the model has no class.
        UnknownClassFolders: the model lacks classes of the set.
    """
    counts = Counter(label for right in images.right for label in right)
    used = [name for number, name in enumerate(images.classes) if counts[number]]
    numbers = fitting_numbers(images.source, images.classes, used, labels)
    findings = images.findings
    numbered = not _are_numbers(labels) and all(map(_is_number, used))
    if all(number is None for number in numbers) and used and numbered:
        numbers = _by_number(images, used, len(labels))
        findings = replace(findings, by_number=True)
    unknown = {
        name: counts[label]
        for label, (name, number) in enumerate(zip(images.classes, numbers, strict=True))
        if number is None and counts[label]
    }
    identifiers = [label.id for label in labels]
    if unknown and (not partial or len(unknown) == len(used)):
        names = [label.name for label in labels]
        raise UnknownClassFolders(images.source, list(unknown), identifiers, names)
    if images.task == "multi-label":
        findings = replace(findings, unknown_labels=unknown)
    else:
        findings = replace(findings, unknown_classes=unknown)
    return replace(_renumber(images, identifiers, numbers), findings=findings)


def fitting_numbers(
    source: str, classes: Sequence[str], used: Sequence[str], labels: Sequence[Label]
) -> list[int | None]:
    """Return the number of the class of the model that each class fits; None if it fits none.

    Raises:
        AmbiguousClass: a class that has images fits several.
    """
    fitting = _fitting(labels)
    values = _fitting_values(labels)
    found = [
        fitting.get(class_name(name)) or values.get(_value(class_name(name)), [])
        for name in classes
    ]
    for name, numbers in zip(classes, found, strict=True):
        if len(numbers) > 1 and name in used:
            raise AmbiguousClass(source, name, numbers)
    return [numbers[0] if numbers else None for numbers in found]


def _fitting(labels: Sequence[Label]) -> dict[str, list[int]]:
    """Return the numbers of the classes that a name fits: by identifier, or else by name."""
    by_name, by_id = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for number, label in enumerate(labels):
        by_name[class_name(label.name)].append(number)
        by_id[class_name(label.id)].append(number)
    return {**by_name, **by_id}


def _fitting_values(labels: Sequence[Label]) -> dict[int | None, list[int]]:
    """Return the numbers of the classes by the value of their identifiers, if all are numbers."""
    values = defaultdict[int | None, list[int]](list)
    if _are_numbers(labels):
        for number, label in enumerate(labels):
            values[_value(label.id)].append(number)
    return dict(values)


def _are_numbers(labels: Sequence[Label]) -> bool:
    return all(_is_number(label.id) for label in labels)


def _value(name: str) -> int | None:
    return int(name) if _is_number(name) else None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 10


def _by_number(images: ImageSet, used: Sequence[str], classes: int) -> list[int | None]:
    """Return the numbers that classes are called by.

    Raises:
        NumberedClasses: the model has no class of a number.
    """
    largest = max(map(int, used))
    if largest >= classes:
        raise NumberedClasses(images.source, largest, classes)
    return [_value(name) for name in images.classes]


def _renumber(images: ImageSet, classes: Sequence[str], numbers: Sequence[int | None]) -> ImageSet:
    """Return the images of the classes that have a number, labeled by it."""
    if images.task == "multi-label":
        return replace(images, classes=tuple(classes), samples=_renumber_sets(images, numbers))
    samples = tuple(
        replace(sample, label=number)
        for sample in images.samples
        if (number := numbers[sample.label]) is not None
    )
    return replace(images, classes=tuple(classes), samples=samples)


def _renumber_sets(images: ImageSet, numbers: Sequence[int | None]) -> tuple[Sample, ...]:
    """Return all images, each with those of its classes that have a number."""
    found = ({numbers[label] for label in sample.labels} - {None} for sample in images.samples)
    return tuple(
        replace(sample, labels=tuple(sorted(number for number in each if number is not None)))
        for sample, each in zip(images.samples, found, strict=True)
    )
