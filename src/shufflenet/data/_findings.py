"""What was understood of a data set, and what of it is not used: told before work begins."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Findings", "PassedOver", "count_of", "count_passed_over", "some_of"]

_SHOWN = 6  # folders or classes that a sentence names

# Files that usually lie beside images, and are not taken for forgotten ones.
_COMPANIONS = frozenset(
    (
        *(".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml"),
        *(".html", ".htm", ".css", ".js", ".py", ".ipynb", ".sh", ".log", ".ini", ".cfg", ".toml"),
        *(".npy", ".npz", ".mat", ".pkl", ".idx", ".db", ".url", ".cls", ".xmp", ".aae"),
    )
)
_COMPANION_NAMES = frozenset(("readme", "license", "licence", "copying", "changelog", "makefile"))


@dataclass(frozen=True, slots=True, order=True)
class PassedOver:
    """Files whose ending is none of an image, in one folder.

    Attributes:
        folder: Below the data, with slashes; empty for the data's own folder.
        ending: In lower case, with a dot; empty for files without one.
        files: How many.
    """

    folder: str
    ending: str
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was understood of a data set, and what of it is not used.

    Attributes:
        split: The folder that is used, where the data hold several splits.
        validation: The folder with labels to measure on, if there is one among the splits.
        other_splits: The folders beside the one that is used.
        inside: The folder called like a split that holds all images, if there is such.
        shared_folders: Folders that lie inside of every class, and are not taken for classes.
        label_file: The file that labels the images, where the data are a folder without classes.
        passed_over: Files without an image's ending, by folder and ending. Not counted are text and
            tables, files that systems leave behind, and hidden ones.
        empty_classes: Class folders that hold no image.
        unreadable: Folders that cannot be listed, with the reasons.
        unlabeled: How many images the label file does not name.
        companions: How many images of shards, such as ``0.seg.png``, lie beside one with their key,
            such as ``0.jpg``, and are left out.
        repeated: How many rows of a table name an image that another row names, too.
        by_number: Whether labels are numbers and were taken as the numbers of a model's classes.
        unknown_classes: How many images were left out because a model lacks their class, by class.
        unknown_labels: How many labels of images of several were left out for the same, by class.
    """

    split: str = ""
    validation: str = ""
    other_splits: tuple[str, ...] = ()
    inside: str = ""
    shared_folders: tuple[str, ...] = ()
    label_file: str = ""
    passed_over: tuple[PassedOver, ...] = ()
    empty_classes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unlabeled: int = 0
    companions: int = 0
    repeated: int = 0
    by_number: bool = False
    unknown_classes: Mapping[str, int] = field(default_factory=dict)
    unknown_labels: Mapping[str, int] = field(default_factory=dict)

    def sentences(self, source: str) -> list[str]:
        """Return whole sentences about it for people; none where everything is used.

        Args:
            source: The name of the data, as ``ImageSet.source`` is: of a split, its own.
        """
        parts = (
            self._about_splits(source),
            self.inside and f"All images in {source!r} are in {self.inside!r}.",
            self.shared_folders
            and f"Each class in {source!r} holds the folders {some_of(self.shared_folders)}, which "
            "are not taken for classes.",
            self.label_file and f"Labels are from {self.label_file!r}.",
            self._about_files(source),
            *(
                f"The folder {_place(folder, source)} cannot be listed ({why}) and is passed over."
                for folder, why in self.unreadable.items()
            ),
            self.empty_classes
            and f"Class folders without an image in {source!r}: {some_of(self.empty_classes)}.",
            self.unlabeled
            and f"{count_of(self.unlabeled, 'image')} in {source!r} without a label: left out.",
            self.companions
            and f"{count_of(self.companions, 'image')} in {source!r} called as 0.seg.png is beside "
            "0.jpg: left out.",
            self.repeated
            and f"{count_of(self.repeated, 'row')} of {source!r} for an image that has a row "
            "before: each counts.",
            self.by_number
            and "Labels are numbers: taken as the numbers of the model's classes, from 0.",
            _about_unknown("image", self.unknown_classes),
            _about_unknown("label", self.unknown_labels),
        )
        return [part for part in parts if part]

    def _about_splits(self, source: str) -> str:
        if not self.split:
            return ""
        others = some_of(self.other_splits)
        whole = posixpath.dirname(source)
        return f"{whole!r} holds splits: {self.split!r} is used here, beside it are {others}."

    def _about_files(self, source: str) -> str:
        if not self.passed_over:
            return ""
        most = sorted(self.passed_over, key=lambda each: -each.files)
        groups = [
            f"{each.files} {each.ending or 'without ending'}"
            + (f" in {each.folder!r}" if each.folder else "")
            for each in most[:_SHOWN]
        ]
        rest = sum(each.files for each in most[_SHOWN:])
        groups += [f"{rest} others"] * bool(rest)
        files = count_of(sum(each.files for each in self.passed_over), "file")
        return f"{files} in {source!r} passed over, of no image's ending: {', '.join(groups)}."


def count_passed_over(names: Iterable[str]) -> tuple[PassedOver, ...]:
    """Count files by folder and ending, without text and tables, which often lie beside images.

    >>> count_passed_over(["a/1.RAW", "a/2.raw", "b", "notes.txt"])
    (PassedOver(folder='', ending='', files=1), PassedOver(folder='a', ending='.raw', files=2))
    """
    counts = Counter[tuple[str, str]]()
    for name in names:
        folder, last = posixpath.split(name)
        ending = posixpath.splitext(last)[1].lower()
        if ending not in _COMPANIONS and last.lower() not in _COMPANION_NAMES:
            counts[folder, ending] += 1
    return tuple(sorted(PassedOver(*key, files) for key, files in counts.items()))


def _about_unknown(what: str, unknown: Mapping[str, int]) -> str:
    if not unknown:
        return ""
    number, names = count_of(sum(unknown.values()), what), some_of(tuple(unknown))
    classes = count_of(len(unknown), "class", "classes")
    return f"{number} of {classes} left out, for no class of the model is called {names}."


def _place(folder: str, source: str) -> str:
    return f"{folder!r} in {source!r}" if folder else repr(source)


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the singular or plural."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def some_of(names: Sequence[str]) -> str:
    """Return the first names as a sentence lists them, and how many more there are."""
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
