"""Reading class folders: an image's class is the name of its folder."""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from shufflenet.data._findings import Findings, count_passed_over
from shufflenet.data._labels import Label, with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._splits import Part, choose_split, find_splits
from shufflenet.data._walk import Listing
from shufflenet.errors import ImagesOutsideClassFolders, NoImages

__all__ = ["Tree", "from_class_folders"]


@dataclass(frozen=True, slots=True)
class Tree:
    """Files in folders, on disk or in an archive.

    Attributes:
        listing: Their names.
        sample: Returns the sample, without a label, of an image of the listing.
    """

    listing: Listing
    sample: Callable[[str], Sample]

    def below(self, folder: str) -> "Tree":
        """Return what lies below one of the folders, by path below that."""

        def sample(name: str) -> Sample:
            return replace(self.sample(f"{folder}/{name}"), name=name)

        return Tree(self.listing.below(folder), sample)


def from_class_folders(source: str, tree: Tree, part: Part | None = None) -> ImageSet:
    """Label images by the first folder below the deepest one that holds all images.

    Args:
        source: The name of the data in errors.
        tree: The images.
        part: Which split is meant if those folders are splits, with classes inside.

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
    root = _root_of(folders)
    if root is None:
        raise ImagesOutsideClassFolders(source)
    depth = len(root)
    direct = {folder[depth] for folder in folders if len(folder) == depth + 1}
    splits = find_splits(source, {folder[depth] for folder in folders}, direct)
    if splits:
        used = choose_split(source, splits, part)
        found = from_class_folders(
            posixpath.join(source, *root, used), tree.below(posixpath.join(*root, used))
        )
        others = [name for name in (*splits.training, *splits.validation) if name != used]
        findings = replace(
            found.findings,
            split=used,
            validation=splits.validation[0] if splits.labeled else "",
            other_splits=(*others, *splits.rest),
        )
        return replace(found, findings=findings)
    labels: list[Label] = [folder[depth] for folder in folders]
    samples = map(tree.sample, names)
    images = with_labels(source, zip(samples, labels, strict=True))
    return replace(images, findings=_findings(tree.listing, root, set(labels)))


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


def _findings(listing: Listing, root: tuple[str, ...], used: set[Label]) -> Findings:
    depth = len(root)
    below = [PurePosixPath(name).parts for name in listing.folders]
    below += [PurePosixPath(name).parts[:-1] for name in listing.others]
    classes = {parts[depth] for parts in below if len(parts) > depth and parts[:depth] == root}
    return Findings(
        passed_over=count_passed_over(listing.others),
        empty_classes=tuple(sorted(classes - used)),
        unreadable=listing.unreadable,
    )
