"""Folders of splits, such as train/ and val/, told from class folders."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from shufflenet.data._findings import Findings
from shufflenet.errors import (
    SeveralFoldersOfSplit,
    SplitBesideClasses,
    SplitsInsideClass,
    SplitsNotChosen,
    SplitsOrClasses,
)

__all__ = [
    "Part",
    "Splits",
    "check_no_split",
    "check_no_splits_inside",
    "choose_split",
    "find_splits",
    "is_split",
]

Part = Literal["train", "val"]
Holder = Literal["folder", "archive", "table"]


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

    def record(self, findings: Findings, used: str) -> Findings:
        """Return findings with the split that is used, and the others."""
        others = [name for name in (*self.training, *self.validation) if name != used]
        return replace(
            findings,
            split=used,
            validation=self.validation[0] if self.labeled else "",
            other_splits=(*others, *self.rest),
        )


_WORDS: Final = {
    "train": ("train", "training", "trn", "trainval"),
    "val": ("val", "valid", "validation", "validate", "eval", "evaluation", "dev"),
    "test": ("test", "testing", "tst", "tests", "holdout"),
}
# What stands beside these words, as in training_set, trainImages, imagenet_train, val2017.
_FILLERS = frozenset(
    (
        *("set", "data", "dataset", "images", "image", "imgs", "img", "photos", "pictures"),
        *("split", "folder", "imagenet", "ilsvrc", "coco", "classes", "class", "full"),
    )
)
_ANY_FILLERS = f"(?:{'|'.join(sorted(_FILLERS))})*"
_COMPOUNDS: Final = {
    kind: re.compile(f"{_ANY_FILLERS}(?:{'|'.join(words)}){_ANY_FILLERS}")
    for kind, words in _WORDS.items()
}


def find_splits(source: str, names: Iterable[str], direct: Iterable[str]) -> Splits | None:
    """Return the folders that are splits; None if the folders are no splits.

    Folders are splits if one is called like a training set and another like a validation or test
    set, in any capitals, and class folders lie inside. Both may have more words, if they are the
    same, as in ``seg_train`` and ``seg_test``.

    Args:
        source: The name of the data in errors.
        names: The folders, where class folders are expected.
        direct: Those of them that hold images directly, without a file of labels.

    Raises:
        SplitsOrClasses: they may be splits or classes.
    """
    names, direct = sorted(names), set(direct)
    kinds = _kinds(names)
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


def choose_split(source: str, splits: Splits, part: Part | None, *, of: Holder) -> str:
    """Return the folder to use of several splits.

    Args:
        source: The name of the data in errors.
        splits: Its splits.
        part: What the data are for: to train on or to measure on.
        of: What holds the splits.

    Raises:
        SplitsNotChosen: ``part`` does not say which is meant.
        SeveralFoldersOfSplit: two folders have the name of the split that is meant.
    """
    if part is None:
        raise SplitsNotChosen(source, splits.training[0], splits.validation[0], of=of)
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
        if len(inside) > 1 and is_split(name) and len(inside[name]) > 1:
            raise SplitBesideClasses(source, name, next(n for n in sorted(inside) if n != name))


def check_no_splits_inside(source: str, inside: Mapping[str, Collection[str]]) -> None:
    """Check that no folder that is taken for a class holds the folders of splits.

    Args:
        source: The name of the data in errors.
        inside: The folders that are taken for classes, each with the folders inside it.

    Raises:
        SplitsInsideClass: one holds a training folder and one to measure on.
    """
    for name in sorted(inside):
        first: dict[str, str] = {}
        for folder, kind in _kinds(sorted(inside[name])).items():
            first.setdefault(kind, folder)
        if "train" in first and len(first) > 1:
            raise SplitsInsideClass(source, name, first["train"], first.get("val") or first["test"])


def is_split(name: str) -> bool:
    """Return whether a folder is called like a split.

    >>> is_split("Val"), is_split("seg_val")
    (True, False)
    """
    return bool(_kinds([name]))


def _kinds(names: Iterable[str]) -> dict[str, str]:
    """Return the folders that are called like splits, each with which split its name means.

    >>> _kinds(["seg_train", "seg_test", "night_train"]), _kinds(["cat", "Val"])
    ({'seg_train': 'train', 'seg_test': 'test'}, {'Val': 'val'})
    """
    found = {name: _parse(name) for name in names}
    pairs = defaultdict[tuple[str, ...], set[str]](set)
    for kind, others in found.values():
        pairs[others].add(kind)
    paired = {others for others, kinds in pairs.items() if "train" in kinds and kinds - {"train"}}
    return {
        name: kind for name, (kind, others) in found.items() if kind and others in {(), *paired}
    }


def _parse(name: str) -> tuple[str, tuple[str, ...]]:
    """Return which split a folder's name means, if any, and its other words.

    >>> _parse("Training_Set"), _parse("valImages2017"), _parse("seg-1-test")
    (('train', ()), ('val', ()), ('test', ('seg',)))
    >>> _parse("station"), _parse("train-test")
    (('', ('station',)), ('', ('train', 'test')))
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = [word for word in re.split(r"[\W\d_]+", apart) if word and word not in _FILLERS]
    kinds = {
        word: kind
        for word in words
        for kind, pattern in _COMPOUNDS.items()
        if pattern.fullmatch(word)
    }
    if len(kinds) != 1:
        return "", tuple(words)
    [(split, kind)] = kinds.items()
    return kind, tuple(word for word in words if word != split)
