"""Reading tables of paths and labels, as people and ImageNet's authors write them."""

import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from shufflenet.data._findings import Findings
from shufflenet.data._label_sets import BAR, join_labels, split_labels, with_label_sets
from shufflenet.data._labels import class_name, with_labels
from shufflenet.data._rows import read_rows
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._splits import Part, Splits, choose_split, find_splits, is_split
from shufflenet.data._walk import is_image, list_folder
from shufflenet.errors import (
    DataError,
    GroundTruthInvalid,
    ImageLabeledTwice,
    TableColumnsMissing,
    TableImagesMissing,
    TableOfAddresses,
)
from shufflenet.labels import ilsvrc2012_order
from shufflenet.spec import Task

__all__ = [
    "PATH_COLUMNS",
    "TABLE_SUFFIXES",
    "has_header",
    "header_cells",
    "is_known_label_file",
    "may_label",
    "read_table",
]

TABLE_SUFFIXES = (".csv", ".tsv", ".txt")

# What columns are called, the surest names first.
PATH_COLUMNS = (
    *("path", "filepath", "file_path", "filename", "file_name", "file", "image_path", "imagepath"),
    *("img_path", "image_name", "image", "img", "image_id", "imageid", "paths", "filepaths"),
    *("file_paths", "image_paths", "filenames", "file_names", "images", "name", "id"),
)
_LABELS = (
    *("label", "labels", "class", "tags", "class_name", "classname", "category", "target", "wnid"),
    *("synset", "species", "breed", "label_id", "class_id", "predictionstring", "y"),
)
_SPLITS = ("split", "set", "subset", "data_set", "dataset", "partition", "usage", "phase")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)

# How ImageNet's labels are published, and Tiny-ImageNet's.
_GROUND_TRUTH = re.compile(r"ilsvrc\d*_(clsloc_)?validation_ground_truth\.txt", re.IGNORECASE)
_TINY_IMAGENET = "val_annotations.txt"  # image, class and box, without a header
_KNOWN = ("val_map.txt", _TINY_IMAGENET, "loc_val_solution.csv")
_NUMBERED = re.compile(r"ILSVRC2012_val_(\d{8})\.\w+")


def may_label(name: str) -> bool:
    """Return whether a file beside images has a table's ending."""
    return name.lower().endswith(TABLE_SUFFIXES)


def is_known_label_file(name: str) -> int:
    """Return 0 unless a file is called as ImageNet's labels are; the least number goes first."""
    last = posixpath.basename(name).lower()
    if last in _KNOWN:
        return _KNOWN.index(last) + 1
    return len(_KNOWN) + 1 if _GROUND_TRUTH.fullmatch(last) else 0


def has_header(source: str, path: Path) -> bool:
    """Return whether a table names a column of paths and one of labels."""
    try:
        header = header_cells(read_rows(source, path))
    except DataError:
        return False
    return None not in (_first_of(PATH_COLUMNS, header), _first_of(_LABELS, header))


def read_table(
    source: str, path: Path, part: Part | None = None, task: Task | None = None
) -> ImageSet:
    """List the images of a table.

    Columns are found by their names, such as ``path`` or ``filename`` and ``label`` or ``class``;
    there may be no header if there are two. A path is relative to the table's folder, or absolute:
    a table is its user's own, and may name files anywhere. A name without folders may lack its
    ending and lie in any folder below. A column such as ``split``, of which every cell is called
    like a split, holds those of which ``part`` is one.

    Several classes may be right, separated by ``|``, or none: the set is multi-label if a label
    holds a ``|`` anywhere in the table, unless ``task`` says what it is.

    ImageNet's labels are read as published: ``val_map.txt``, ``LOC_val_solution.csv``, and the
    development kit's ground truth, which numbers classes in an order of its own.

    Raises:
        AllUnlabeled: the set is multi-label, and no image has a label.
        GroundTruthInvalid: a line of ILSVRC's ground truth is no class's number.
        ImageLabeledTwice: an image has two labels in two rows.
        LabelEmpty: a label between bars is empty.
        DoubledLabel: a row has the same label twice.
        TableColumnsMissing: there are no columns path and label.
        TableImagesMissing: images do not exist.
        TableOfAddresses: paths are addresses on the web.
        TableRowLength: a row has another number of fields than the first.
        TableUnreadable: reading the file fails.
        DataError: an image has no label.
    """
    rows = read_rows(source, path)
    finder = _Finder(path.parent)
    if _GROUND_TRUTH.fullmatch(path.name):
        return with_labels(source, _ground_truth(source, rows, finder))
    splits = _split_cells(source, rows)
    task = task or _recognize_task(source, path, rows)
    if splits:
        return _read_split(source, path, rows, splits, part, task)
    return _read_rows(source, path, rows, finder, task)


def _recognize_task(source: str, path: Path, rows: list[list[str]]) -> Task:
    """Return ``multi-label`` if a label holds a bar."""
    _, last, below = _columns(source, path, rows)
    return "multi-label" if any(BAR in row[last] for row in below) else "classification"


def _read_rows(
    source: str, path: Path, rows: list[list[str]], finder: "_Finder", task: Task
) -> ImageSet:
    """List the images of the rows of a table.

    Raises:
        TableImagesMissing: images do not exist.
        TableOfAddresses: paths are addresses on the web.
        DataError: columns or labels are missing, or an image has two labels.
    """
    first, last, below = _columns(source, path, rows)
    may_be_header, rows = below is rows and len(rows[0]) == 2, below
    entries = [(row[first].strip(), row[last].strip()) for row in rows]
    address = next((name for name, _ in entries if _ADDRESS.match(name)), None)
    if address is not None:
        raise TableOfAddresses(source, address)
    files = [finder.find(name) for name, _ in entries]
    may_be_header = may_be_header and files[0] is None and not is_image(entries[0][0])
    if may_be_header and len(files) > 1 and None not in files[1:]:
        files, entries = files[1:], entries[1:]  # a header of other names
    missing = [name for file, (name, _) in zip(files, entries, strict=True) if file is None]
    if missing:
        raise TableImagesMissing(source, missing)
    images = [(Sample(n, -1, str(f)), label) for f, (n, label) in zip(files, entries, strict=True)]
    if task == "multi-label":
        sets = [(each, split_labels(source, each.name, label)) for each, label in images]
        found = with_label_sets(source, sets)
        images = [(each, join_labels(found, each)) for each in found.samples]
    else:
        found = with_labels(source, images)
    return replace(found, findings=Findings(repeated=_count_repeated(source, images)))


def _count_repeated(source: str, images: Iterable[tuple[Sample, str]]) -> int:
    """Return how many rows name an image that a row before them names.

    Raises:
        ImageLabeledTwice: they have another label.
    """
    labels, repeated = dict[str, str](), 0
    for sample, label in images:
        before = labels.setdefault(os.path.normpath(sample.path), label)
        if class_name(before) != class_name(label):
            raise ImageLabeledTwice(source, sample.name, before, label)
        repeated += 1
    return repeated - len(labels)


def _split_cells(source: str, rows: list[list[str]]) -> tuple[int, Splits] | None:
    """Return the column of splits and what is in it, if there is one."""
    at = _first_of(_SPLITS, header_cells(rows))
    if at is None or len(rows[0]) < 3:
        return None
    names = {row[at].strip() for row in rows[1:]}
    splits = find_splits(source, names, ()) if all(map(is_split, names)) else None
    return (at, splits) if splits else None


def _read_split(
    source: str,
    path: Path,
    rows: list[list[str]],
    column: tuple[int, Splits],
    part: Part | None,
    task: Task,
) -> ImageSet:
    """Read the rows of the split that is meant, and record it and the others."""
    at, splits = column
    used = choose_split(source, splits, part, of="table")
    kept = [rows[0], *(row for row in rows[1:] if row[at].strip() == used)]
    images = _read_rows(posixpath.join(source, used), path, kept, _Finder(path.parent), task)
    return replace(images, findings=splits.record(images.findings, used))


def _columns(source: str, path: Path, rows: list[list[str]]) -> tuple[int, int, list[list[str]]]:
    """Return the columns of paths and of labels, and the rows without a header.

    Raises:
        TableColumnsMissing: they are not known.
    """
    header = header_cells(rows)
    at, label = _first_of(PATH_COLUMNS, header), _first_of(_LABELS, header)
    if at is not None and label is not None:
        if header[label] == "predictionstring":  # a class and its boxes, over and over
            for row in rows:
                row[label] = row[label].strip().partition(" ")[0]
        return at, label, rows[1:]
    if path.name.lower() == _TINY_IMAGENET and len(header) > 2:
        return 0, 1, rows
    if len(header) != 2:
        raise TableColumnsMissing(source)
    below = rows[1:] or rows  # the first may be a header of other names
    turned = all(is_image(row[1]) and not is_image(row[0]) for row in below)
    return (1, 0, rows) if turned else (0, 1, rows)


def header_cells(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the cells of the first row as names of columns are compared.

    >>> header_cells([["File Name", " class-id "], ["a.jpg", "3"]])
    ['file_name', 'class_id']
    """
    return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in rows[0]] if rows else []


def _first_of(names: Iterable[str], header: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _ground_truth(
    source: str, rows: Sequence[Sequence[str]], finder: "_Finder"
) -> Iterable[tuple[Sample, str]]:
    """Return ILSVRC's validation images, which the lines of its ground truth number from 1.

    Raises:
        GroundTruthInvalid: a line is no class's number.
    """
    order = ilsvrc2012_order()
    for number, row in enumerate(rows):
        text = row[-1].strip()
        if len(row) > 1 or not (text.isascii() and text.isdecimal() and len(text) <= 4):
            raise GroundTruthInvalid(source, number + 1, " ".join(row))
        if not 1 <= int(text) <= len(order):
            raise GroundTruthInvalid(source, number + 1, text)
    for name in finder.images:
        match = _NUMBERED.fullmatch(posixpath.basename(name))
        if match and 1 <= int(match[1]) <= len(rows):
            label = order[int(rows[int(match[1]) - 1][0]) - 1]
            yield Sample(name, -1, os.path.join(finder.folder, name)), label


class _Finder:
    """Finds the images that a table names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def images(self) -> list[str]:
        """The images below the folder, by path below it."""
        return sorted(list_folder(self.folder).images)

    @cached_property
    def _by_name(self) -> dict[str, str | None]:
        # By path without ending, and by name with or without; None where there are several.
        found: dict[str, str | None] = {}
        for path in self.images:
            stem, name = posixpath.splitext(path)[0], posixpath.basename(path)
            for key in {stem, name, posixpath.splitext(name)[0]}:
                found[key] = None if key in found else path
        return found

    def find(self, name: str) -> Path | None:
        """Return the regular file that a name means; None if there is none, or several."""
        path = os.path.join(self.folder, name)
        if os.path.isfile(path):
            return Path(path)
        name = name.replace("\\", "/")  # as a program on Windows wrote it
        path = os.path.join(self.folder, name)
        if os.path.isfile(path):
            return Path(path)
        below = self._by_name.get(name)
        return Path(self.folder, below) if below is not None else None
