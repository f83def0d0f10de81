"""Tar archives, one or many: WebDataset's shards, which hold labels, or class folders."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shufflenet.data._archives import Archive, key_of, read_archive
from shufflenet.data._folders import classified
from shufflenet.data._labelled import labelled
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import ShardIncomplete, ShardsDisagree, ShardsUnlabeled

__all__ = ["CLASSES_KEY", "IMAGES_KEY", "read_shards"]

# Keywords of a shard's global header, which ``pack`` writes; other programs pass over them.
CLASSES_KEY = "SHUFFLENET.classes"  # the names of classes, a JSON list
IMAGES_KEY = "SHUFFLENET.images"  # how many the shard holds


def read_shards(source: str, paths: Sequence[Path]) -> ImageSet:
    """List the images of archives that belong together.

    Labels are those of files beside an image with the same key: ``.cls`` is a number or a name,
    ``.json`` has one as ``label`` or ``cls``. Where there are none, folders are the classes.

    Raises:
        DataError: an archive cannot be read or is cut short, they do not belong together, there
            are no images, or some have a label and others have none.
    """
    archives = {path: read_archive(path) for path in paths}
    for path, archive in archives.items():
        _check_count(path, archive)
    spools = [archive.spool for archive in archives.values()]
    if any(archive.labels for archive in archives.values()):
        images = [
            (_named(sample, path, paths), archive.labels.get(key_of(sample.name)))
            for path, archive in archives.items()
            for sample in archive.images
        ]
        return replace(labelled(source, images, _class_names(source, archives)), spool=spools)
    found = [sample for archive in archives.values() for sample in archive.images]
    if found and all("/" not in sample.name for sample in found):
        raise ShardsUnlabeled(source)
    return replace(classified(source, found), spool=spools)


def _check_count(path: Path, archive: Archive) -> None:
    stated = archive.facts.get(IMAGES_KEY)
    if stated is not None and int(stated) != len(archive.images):
        raise ShardIncomplete(path, len(archive.images), int(stated))


def _named(sample: Sample, path: Path, paths: Sequence[Path]) -> Sample:
    """Keep images apart that bear the same name in several shards."""
    return replace(sample, name=f"{path.name}/{sample.name}") if len(paths) > 1 else sample


def _class_names(source: str, archives: dict[Path, Archive]) -> list[str] | None:
    found = {archive.facts.get(CLASSES_KEY) for archive in archives.values()}
    if len(found) > 1:
        raise ShardsDisagree(source)
    text = found.pop()
    names: list[str] | None = json.loads(text) if text is not None else None
    return names
