"""Reading tar archives, one or many: WebDataset shards with labels, or class folders."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shufflenet.data._archives import Archive, key_of, read_archive
from shufflenet.data._boxes_told import check_no_boxes
from shufflenet.data._findings import Findings, count_passed_over
from shufflenet.data._folders import Tree, from_class_folders
from shufflenet.data._labels import with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._splits import Part
from shufflenet.data._walk import Listing
from shufflenet.errors import (
    DataUnreadable,
    ShardIncomplete,
    ShardsDisagree,
    ShardsUnlabeled,
    SpecError,
)
from shufflenet.outside import read_json, typed

__all__ = ["CLASSES_KEY", "IMAGES_KEY", "read_shards"]

# Keywords of a shard's global header, which ``pack`` writes and other programs ignore.
CLASSES_KEY = "SHUFFLENET.classes"  # the names of classes, a JSON list
IMAGES_KEY = "SHUFFLENET.images"  # the number of images in the shard
_MOST_DIGITS = 18


def read_shards(source: str, paths: Sequence[Path], part: Part | None = None) -> ImageSet:
    """List the images of archives that belong together.

    An image's label is in a file beside it with the same key: ``.cls`` holds a number or a name,
    ``.json`` has one as ``label`` or ``cls``. If there are no labels, folders are the classes,
    or the splits of which ``part`` is one.

    Raises:
        HoldsBoxes: the archive holds boxes, and no classes of images.
        ShardsUnlabeled: the images have neither labels nor class folders.
        DataError: an archive is unreadable or truncated, the archives list different classes,
            there are no images, or only some of them have a label.
    """
    archives = {path: read_archive(path) for path in paths}
    for path, archive in archives.items():
        _check_count(path, archive)
    spools = [archive.spool for archive in archives.values()]
    others = [name for archive in archives.values() for name in archive.others]
    if any(_has_labels(archive) for archive in archives.values()):
        images = [
            (_with_shard_name(sample, path, paths), archive.labels.get(key_of(sample.name)))
            for path, archive in archives.items()
            for sample in _without_companions(archive.images)
        ]
        labeled = with_labels(source, images, _class_names(source, archives))
        found = sum(len(archive.images) for archive in archives.values())
        findings = Findings(
            passed_over=count_passed_over(others), companions=found - len(labeled.samples)
        )
        return replace(labeled, findings=findings, spool=spools)
    samples = [sample for archive in archives.values() for sample in archive.images]
    check_no_boxes(source, Listing([sample.name for sample in samples], others))
    if samples and all("/" not in sample.name for sample in samples):
        raise ShardsUnlabeled(source)
    by_name = _by_name(archives)
    tree = Tree(Listing(list(by_name), others), by_name.__getitem__)
    return replace(from_class_folders(source, tree, part), spool=spools)


def _has_labels(archive: Archive) -> bool:
    """Return whether an image has a label; a file about the whole set is none."""
    return any(key_of(sample.name) in archive.labels for sample in archive.images)


def _without_companions(images: Sequence[Sample]) -> list[Sample]:
    """Leave out masks and the like: ``0.seg.png`` beside ``0.jpg``, of one key."""
    plain = {key_of(sample.name) for sample in images if _is_plain(sample.name)}
    return [each for each in images if _is_plain(each.name) or key_of(each.name) not in plain]


def _is_plain(name: str) -> bool:
    """Return whether a name has one ending.

    >>> _is_plain("a.b/0.jpg"), _is_plain("a.b/0.seg.png")
    (True, False)
    """
    return name.rpartition("/")[2].count(".") == 1


def _by_name(archives: dict[Path, Archive]) -> dict[str, Sample]:
    """Return the images of archives by name: of the same name in one archive, the last counts.

    That is how tar replaces a file. In another archive it is another image.
    """
    found: dict[str, Sample] = {}
    for path, archive in archives.items():
        own = {sample.name: sample for sample in archive.images}
        for name, sample in own.items():
            folder, slash, last = name.rpartition("/")
            key = name if name not in found else f"{folder}{slash}{path.name}:{last}"
            found[key] = replace(sample, name=key)
    return found


def _check_count(path: Path, archive: Archive) -> None:
    stated = archive.header.get(IMAGES_KEY)
    if stated is None:
        return
    if not (stated.isascii() and stated.isdecimal() and len(stated) <= _MOST_DIGITS):
        raise DataUnreadable(path, f"{IMAGES_KEY} is no number", "a shard")
    if int(stated) != len(archive.images):
        raise ShardIncomplete(path, len(archive.images), int(stated))


def _with_shard_name(sample: Sample, path: Path, paths: Sequence[Path]) -> Sample:
    """Prefix a sample's name with its shard's if there are several, which may repeat names."""
    return replace(sample, name=f"{path.name}/{sample.name}") if len(paths) > 1 else sample


def _class_names(source: str, archives: dict[Path, Archive]) -> list[str] | None:
    lists = {archive.header.get(CLASSES_KEY) for archive in archives.values()}
    if len(lists) > 1:
        raise ShardsDisagree(source)
    text = lists.pop()
    if text is None:
        return None
    try:
        return list(typed(read_json(text, CLASSES_KEY), tuple[str, ...], CLASSES_KEY))
    except SpecError as error:
        raise DataUnreadable(source, error, "shards") from error
