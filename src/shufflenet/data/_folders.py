"""Reading class folders: an image's class is the name of its folder."""

import os
import posixpath
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from shufflenet.data._findings import Findings, count_passed_over
from shufflenet.data._labels import Label, with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._splits import (
    Part,
    check_no_split,
    check_no_splits_inside,
    choose_split,
    find_splits,
    is_split,
)
from shufflenet.data._tables import has_header, is_known_label_file, may_label, read_table
from shufflenet.data._walk import Listing
from shufflenet.errors import DataError, ImagesOutsideClassFolders, NoImages, SeveralTables
from shufflenet.spec import Task

__all__ = ["Tree", "from_class_folders"]


@dataclass(frozen=True, slots=True)
class Tree:
    """Files in folders, on disk or in an archive.

    Attributes:
        listing: Their names.
        sample: Returns the sample, without a label, of an image of the listing.
        folder: The folder on disk; None in an archive.
    """

    listing: Listing
    sample: Callable[[str], Sample]
    folder: Path | None = None

    def below(self, folder: str) -> "Tree":
        """Return what lies below one of the folders, by path below that."""

        def sample(name: str) -> Sample:
            return replace(self.sample(f"{folder}/{name}"), name=name)

        inside = self.folder / folder if self.folder else None
        return Tree(self.listing.below(folder), sample, inside)


def from_class_folders(
    source: str, tree: Tree, part: Part | None = None, task: Task | None = None
) -> ImageSet:
    """Label images by the first folder below the deepest one that holds all images.

    Images that all lie in one folder are labeled by the table beside them, if there is one.

    Args:
        source: The name of the data in errors.
        tree: The images.
        part: Which split is meant if those folders are splits, with classes inside.
        task: Whether one class of an image is right or any number, where a table labels images.

    Raises:
        ImagesOutsideClassFolders: an image is in no class folder.
        NoImages: there is not one image.
        ClassNameNotText: a class folder's name is not UTF-8.
        DataError: the folders are splits, or may be, and ``part`` does not say which is meant.
    """
    names = sorted(tree.listing.images)
    if not names:
        raise NoImages(source)
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    labeled = _from_table(source, tree, part, task) if len(set(folders)) == 1 else None
    if labeled:
        return labeled
    root = _root_of(folders)
    if root is None:
        raise ImagesOutsideClassFolders(source, min(names, key=_depth))
    depth = len(root)
    direct = {folder[depth] for folder in folders if len(folder) == depth + 1}
    direct = {name for name in direct if not _tables(tree.below(posixpath.join(*root, name)))}
    splits = find_splits(source, {folder[depth] for folder in folders}, direct)
    if splits:
        used = choose_split(source, splits, part, of="folder" if tree.folder else "archive")
        place = posixpath.join(*root, used)
        found = from_class_folders(posixpath.join(source, place), tree.below(place), task=task)
        return replace(found, findings=splits.record(found.findings, used))
    inside = defaultdict[str, set[str]](set)
    for folder in folders:
        inside[folder[depth]].update(folder[depth + 1 : depth + 2])
    check_no_split(source, inside)
    check_no_splits_inside(source, inside)
    labels: list[Label] = [folder[depth] for folder in folders]
    samples = map(tree.sample, names)
    images = with_labels(source, zip(samples, labels, strict=True))
    return replace(images, findings=_findings(tree.listing, root, inside))


def _tables(tree: Tree) -> list[str]:
    """Return the tables that may label images, all of which are in one folder; the surest alone."""
    if tree.folder is None or not tree.listing.images:
        return []
    place = posixpath.dirname(tree.listing.images[0])
    above = {"", place, *map(str, PurePosixPath(place).parents)} - {"."}
    tables = [name for name in tree.listing.others if may_label(name)]
    tables = sorted(name for name in tables if posixpath.dirname(name) in above)
    known = sorted(filter(is_known_label_file, tables), key=is_known_label_file)
    return known[:1] or tables


def _from_table(source: str, tree: Tree, part: Part | None, task: Task | None) -> ImageSet | None:
    """Label images that all are in one folder by the table beside them, if exactly one does.

    Raises:
        SeveralTables: several do.
        DataError: one names columns of paths and labels, and cannot be used.
    """
    tables, found = _tables(tree), dict[str, ImageSet]()
    failed: DataError | None = None
    for name in tables:
        path, file = posixpath.join(source, name), Path(tree.folder or "", name)
        try:
            found[name] = read_table(path, file, part, task)
        except DataError as error:  # or it is a text about something else
            if is_known_label_file(name):
                raise
            failed = error if has_header(path, file) else failed
    if failed and not found:
        raise failed
    if len(found) > 1:
        first, second, *_ = found
        raise SeveralTables(source, first, second)
    for name, images in found.items():
        split = images.findings.split
        findings = replace(
            images.findings,
            label_file=name,
            passed_over=count_passed_over(tree.listing.others),
            unreadable=tree.listing.unreadable,
            unlabeled=0 if split else _count_unlabeled(tree, images),
        )
        return replace(images, source=images.source if split else source, findings=findings)
    return None


def _count_unlabeled(tree: Tree, images: ImageSet) -> int:
    """Return how many images of a folder a table does not name; it may name others elsewhere."""
    named = {os.path.abspath(sample.path) for sample in images.samples}
    below = (os.path.abspath(Path(tree.folder or "", name)) for name in tree.listing.images)
    return sum(path not in named for path in below)


def _root_of(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the folder whose folders are classes; None if an image is in no class folder.

    >>> _root_of([("a", "b", "cat"), ("a", "b", "dog", "old")]), _root_of([("cat",)])
    (('a', 'b'), ())
    """
    first, last = min(folders), max(folders)  # what they share, all share
    shared = next(
        (i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other),
        min(len(first), len(last)),
    )
    depth = min(shared, min(map(len, folders)) - 1)
    return first[:depth] if depth >= 0 else None


def _depth(name: str) -> int:
    """Return in how many folders an image is."""
    return len(PurePosixPath(name).parts)


def _findings(listing: Listing, root: tuple[str, ...], inside: Mapping[str, set[str]]) -> Findings:
    """Return what is to be told of class folders; ``inside`` holds the folders in each."""
    shared = set[str].intersection(*inside.values()) if len(inside) > 1 else set[str]()
    depth = len(root)
    below = [PurePosixPath(name).parts for name in listing.folders]
    below += [PurePosixPath(name).parts[:-1] for name in listing.others]
    classes = {parts[depth] for parts in below if len(parts) > depth and parts[:depth] == root}
    return Findings(
        passed_over=count_passed_over(listing.others),
        empty_classes=tuple(sorted(classes - inside.keys())),
        inside=posixpath.join("", *root) if any(map(is_split, root)) else "",
        shared_folders=tuple(sorted(shared)) if len(shared) > 1 else (),
        unreadable=listing.unreadable,
    )
