"""Folders of splits, such as train/ and val/, told from class folders."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from shufflenet.errors import (
    SeveralFoldersOfSplit,
    SplitBesideClasses,
    SplitsNotChosen,
    SplitsOrClasses,
)

__all__ = ["Part", "Splits", "check_no_split", "choose_split", "find_splits"]

Part = Literal["train", "val"]


class Splits(NamedTuple):
    """The folders of a data set that are splits, each kind in order of names.

    Attributes:
        training: Those to train on.
        validation: Those to measure on: with labels if there are such, and then validation sets
            rather than test sets.
        rest: The others.
        labeled: Whether those to measure on have labels.
    """

    training: list[str]
    validation: list[str]
    rest: list[str]
    labeled: bool


_WORDS: Final = {
    "train": frozenset(("train", "training", "trn", "trainset", "trainingset", "traindata")),
    "val": frozenset(
        ("val", "valid", "validation", "validate", "valset", "eval", "evaluation", "dev")
    ),
    "test": frozenset(("test", "testing", "tst", "testset", "tests", "holdout")),
}
# What stands beside these words, as in training_set, train-images, imagenet_train, val2017.
_FILLERS = frozenset(
    (
        *("set", "data", "dataset", "images", "image", "imgs", "img", "photos", "pictures"),
        *("split", "folder", "imagenet", "ilsvrc", "coco", "classes", "class", "full"),
    )
)


def find_splits(source: str, names: Iterable[str], direct: Iterable[str]) -> Splits | None:
    """Return the folders that are splits; None if the folders are no splits.

    Folders are splits if one is called like a training set and another like a validation or test
    set, in any capitals, and class folders lie inside.

    Args:
        source: The name of the data in errors.
        names: The folders, where class folders are expected.
        direct: Those of them that hold images directly, without a file of labels.

    Raises:
        SplitsOrClasses: they may be splits or classes.
    """
    names, direct = sorted(names), set(direct)
    kinds = {name: kind for name in names if (kind := _kind(name))}
    training = [name for name, kind in kinds.items() if kind == "train"]
    candidates = [[name for name, kind in kinds.items() if kind == k] for k in ("val", "test")]
    if not training or not any(candidates):
        return None
    if direct >= kinds.keys():
        if len(names) > len(kinds):  # beside others: classes such as bus, train, test
            return None
        raise SplitsOrClasses(source, list(kinds))
    labeled = [[name for name in some if name not in direct] for some in candidates]
    validation = next(filter(None, [*labeled, *candidates]))
    rest = [name for name in names if name not in (*training, *validation)]
    return Splits(training, validation, rest, any(labeled))


def choose_split(source: str, splits: Splits, part: Part | None) -> str:
    """Return the folder to use of several splits.

    Args:
        source: The name of the data in errors.
        splits: Its splits.
        part: What the data are for: to train on or to measure on.

    Raises:
        SplitsNotChosen: ``part`` does not say which is meant.
        SeveralFoldersOfSplit: two folders have the name of the split that is meant.
    """
    if part is None:
        raise SplitsNotChosen(source, splits.training[0], splits.validation[0])
    chosen = splits.training if part == "train" else splits.validation
    if len(chosen) > 1:
        raise SeveralFoldersOfSplit(source, chosen[0], chosen[1])
    return chosen[0]


def check_no_split(source: str, inside: Mapping[str, Collection[str]]) -> None:
    """Check that no folder among class folders is a split with class folders inside.

    Args:
        source: The name of the data in errors.
        inside: The folders that are taken for classes, each with the folders inside it.

    Raises:
        SplitBesideClasses: one is called like a split and holds several folders.
    """
    for name in sorted(inside):
        if len(inside) > 1 and _kind(name) and len(inside[name]) > 1:
            raise SplitBesideClasses(source, name, next(n for n in sorted(inside) if n != name))


def _kind(name: str) -> str | None:
    """Return which split a folder's name means.

    >>> _kind("Training_Set"), _kind("val2017"), _kind("1-test"), _kind("train station")
    ('train', 'val', 'test', None)
    """
    words = [word for word in re.split(r"[\W\d_]+", name.lower()) if word]
    words = [word for word in words if word not in _FILLERS]
    if len(words) != 1:
        return None
    return next((kind for kind, known in _WORDS.items() if words[0] in known), None)
