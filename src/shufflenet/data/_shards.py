"""Reading tar archives, one or many: WebDataset shards with labels, or class folders."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shufflenet.data._archives import Archive, key_of, read_archive
from shufflenet.data._folders import from_class_folders
from shufflenet.data._labels import with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import ShardIncomplete, ShardsDisagree, ShardsUnlabeled

__all__ = ["CLASSES_KEY", "IMAGES_KEY", "read_shards"]

# Keywords of a shard's global header, which ``pack`` writes and other programs ignore.
CLASSES_KEY = "SHUFFLENET.classes"  # the names of classes, a JSON list
IMAGES_KEY = "SHUFFLENET.images"  # the number of images in the shard


def read_shards(source: str, paths: Sequence[Path]) -> ImageSet:
    """List the images of archives that belong together.

    An image's label is in a file beside it with the same key: ``.cls`` holds a number or a name,
    ``.json`` has one as ``label`` or ``cls``. If there are no labels, folders are the classes.

    Raises:
        ShardsUnlabeled: the images have neither labels nor class folders.
        DataError: an archive is unreadable or truncated, the archives list different classes,
            there are no images, or only some of them have a label.
    """
    archives = {path: read_archive(path) for path in paths}
    for path, archive in archives.items():
        _check_count(path, archive)
    spools = [archive.spool for archive in archives.values()]
    if any(archive.labels for archive in archives.values()):
        images = [
            (_with_shard_name(sample, path, paths), archive.labels.get(key_of(sample.name)))
            for path, archive in archives.items()
            for sample in archive.images
        ]
        return replace(with_labels(source, images, _class_names(source, archives)), spool=spools)
    samples = [sample for archive in archives.values() for sample in archive.images]
    if samples and all("/" not in sample.name for sample in samples):
        raise ShardsUnlabeled(source)
    return replace(from_class_folders(source, samples), spool=spools)


def _check_count(path: Path, archive: Archive) -> None:
    stated = archive.header.get(IMAGES_KEY)
    if stated is not None and int(stated) != len(archive.images):
        raise ShardIncomplete(path, len(archive.images), int(stated))


def _with_shard_name(sample: Sample, path: Path, paths: Sequence[Path]) -> Sample:
    """Prefix a sample's name with its shard's if there are several, which may repeat names."""
    return replace(sample, name=f"{path.name}/{sample.name}") if len(paths) > 1 else sample


def _class_names(source: str, archives: dict[Path, Archive]) -> list[str] | None:
    lists = {archive.header.get(CLASSES_KEY) for archive in archives.values()}
    if len(lists) > 1:
        raise ShardsDisagree(source)
    text = lists.pop()
    names: list[str] | None = json.loads(text) if text is not None else None
    return names
