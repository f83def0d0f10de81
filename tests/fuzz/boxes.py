"""Data sets of boxes: a damaged file of one, put among whole ones and opened."""

import shutil
import tarfile
from pathlib import Path

import numpy as np

from box_sets import write_coco_set, write_voc_set, write_yolo_set
from fuzz.mutate import Rng, damaged, damaged_json, damaged_lines, damaged_tar
from shufflenet.data.boxes import BoxFormat, BoxSet, open_boxes, summarize, write_boxes
from shufflenet.errors import ImageError

__all__ = ["BoxesWrong", "damage_boxes", "open_damaged_boxes", "write_box_seeds"]

FORMATS: tuple[BoxFormat, ...] = ("coco", "yolo", "voc")
_SETS = {"coco": write_coco_set, "yolo": write_yolo_set, "voc": write_voc_set}
# Where a damaged file is put, by its suffix, and in a set of which format.
_PLACES = {
    ".json": ("coco", "annotations.json"),
    ".yaml": ("yolo", "data.yaml"),
    ".txt": ("yolo", "labels/1.txt"),
    ".xml": ("voc", "Annotations/1.xml"),
}


class BoxesWrong(Exception):
    """A set of boxes was opened, but not rightly."""


def write_box_seeds(folder: Path) -> None:
    """Write a file of each kind that boxes are read from, and an archive of each format."""
    sets = folder / "sets"
    for form, write in _SETS.items():
        write(sets / form)
        with tarfile.open(folder / f"{form}.tar", "w") as file:
            file.add(sets / form, ".")
    for suffix, (form, name) in _PLACES.items():
        shutil.copy(sets / form / name, folder / f"file{suffix}")


def damage_boxes(rng: Rng, source: Path) -> bytes:
    """Damage a file by what it is: an archive, a JSON, a text with words, or bytes."""
    data = source.read_bytes()
    match source.suffix:
        case ".tar":
            return damaged_tar(rng, data)
        case ".json":
            return damaged_json(rng, data)
        case ".txt" | ".yaml" if rng.random() < 0.7:
            return damaged_lines(rng, data)
    return damaged(rng, data)


def open_damaged_boxes(path: Path, rng: Rng) -> None:
    """Open a set with a damaged file, check its boxes, and write it in some format.

    Raises:
        BoxesWrong: a box is not inside of its image, or has no class.
    """
    data = path
    if path.suffix in _PLACES:
        form, name = _PLACES[path.suffix]
        data = path.parent / "boxes"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(path.parent.parent / "seeds" / "boxes" / "sets" / form, data)
        shutil.copy(path, data / name)
    images = open_boxes(data)
    _check(images)
    summarize(images)
    target = FORMATS[int(rng.integers(3))]
    to = path.parent / "written"
    shutil.rmtree(to, ignore_errors=True)
    try:
        write_boxes(images, to, target)
    except ImageError:  # an archive's member may be cut
        return
    if target != "yolo" or not images.findings.ignored:
        again = open_boxes(to)
        if sum(map(len, again.boxes)) != sum(map(len, images.boxes)):
            raise BoxesWrong(f"boxes lost in {target}")


def _check(images: BoxSet) -> None:
    """Check that boxes are inside of their images, and classes in their list.

    Raises:
        BoxesWrong: they are not.
    """
    columns = (images.sizes, images.boxes, images.labels, images.ignored)
    for size, boxes, labels, ignored in zip(*columns, strict=True):
        if not len(boxes) == len(labels) == len(ignored) or boxes.shape[1:] != (4,):
            raise BoxesWrong(f"{boxes.shape} boxes, {len(labels)} labels")
        ends = boxes[:, :2] + boxes[:, 2:]
        sound = np.isfinite(boxes).all() and (boxes[:, :2] >= 0).all() and (boxes[:, 2:] > 0).all()
        if not sound or (ends > np.array(size) * (1 + 1e-6)).any():
            raise BoxesWrong(f"boxes {boxes.tolist()} in {size}")
        if not ((labels >= 0) & (labels < len(images.classes))).all():
            raise BoxesWrong(f"labels {labels.tolist()} of {images.classes}")
