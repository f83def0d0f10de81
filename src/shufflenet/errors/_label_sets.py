"""Errors in images of which several classes are right, and in models of them."""

from pathlib import Path

from shufflenet.errors._base import ShuffleNetError
from shufflenet.errors._data import DataError

__all__ = [
    "AllUnlabeled",
    "ClassNameWithBar",
    "DoubledLabel",
    "LabelEmpty",
    "NotInShards",
    "OneRightClass",
    "SeveralRightClasses",
    "TeacherOfOtherTask",
]


class LabelEmpty(DataError):
    """A label between bars is empty."""

    def __init__(self, source: str | Path, image: str, text: str) -> None:
        problem = f"labels {image!r} {text[:40]!r}, of which a label is empty"
        remedy = "Separate labels by one |, and leave the cell empty where no class is right."
        super().__init__(source, problem, remedy)


class DoubledLabel(DataError):
    """An image has the same label twice."""

    def __init__(self, source: str | Path, image: str, label: str) -> None:
        problem = f"labels {image!r} {label[:40]!r} twice"
        super().__init__(source, problem, "Name each class of an image once.")


class AllUnlabeled(DataError):
    """No image of a multi-label set has a label."""

    def __init__(self, source: str | Path) -> None:
        remedy = "Name the classes that are right in the column label, separated by |."
        super().__init__(source, "labels no image", remedy)


class ClassNameWithBar(DataError):
    """A class's name holds what separates labels."""

    def __init__(self, source: str | Path, name: str) -> None:
        super().__init__(
            source,
            f"has a class {name[:40]!r}, and | separates labels where several may be right",
            "Rename the class.",
        )


class SeveralRightClasses(DataError):
    """Several classes of an image are right, and a model answers with one.

    Args:
        source: The data.
        model: The name of the model.
    """

    def __init__(self, source: str | Path, model: str) -> None:
        super().__init__(
            source,
            f"has images of several labels, and the model {model!r} answers with one class",
            "Give data of one label an image, or a model that was trained on such images.",
        )


class OneRightClass(DataError):
    """Training was asked to take each image for one of one class, and labels are lists."""

    def __init__(self, source: str | Path) -> None:
        problem = "labels each image by a list of classes"
        super().__init__(source, problem, "Train it with --task multi-label.")


class NotInShards(DataError):
    """A multi-label set was to be packed."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(
            source,
            "has images of several labels, which shards do not hold: a .cls has one",
            "Train on the images as they are.",
        )


class TeacherOfOtherTask(ShuffleNetError):
    """A network to learn from answers with one class, and any number may be right, or conversely.

    Args:
        teacher: Its name or file.
        task: What it was trained for.
        wanted: What is trained now.
    """

    def __init__(self, teacher: str, task: str, wanted: str) -> None:
        super().__init__(
            f"The teacher {teacher!r} was trained for {task}, and the data are for {wanted}. Use "
            f"one that was trained for {wanted}."
        )
