"""Opening data with boxes: the reader is chosen by which files there are."""

import os
import posixpath
from dataclasses import replace
from pathlib import Path

from shufflenet.data._folders import Tree
from shufflenet.data._open import ARCHIVES
from shufflenet.data._splits import find_splits
from shufflenet.data.boxes._coco import read_coco, read_coco_file
from shufflenet.data.boxes._files import folder_tree, groups, open_archive
from shufflenet.data.boxes._parts import Part, choose, record
from shufflenet.data.boxes._recognize import format_below, format_of
from shufflenet.data.boxes._sets import BoxSet, with_a_box
from shufflenet.data.boxes._voc import read_voc
from shufflenet.data.boxes._yolo import read_yolo
from shufflenet.errors import DataMissing, DataNotAFile, HoldsNoBoxes, SeveralBoxSets

__all__ = ["open_boxes"]

_READERS = {"coco": read_coco, "yolo": read_yolo, "voc": read_voc}


def open_boxes(source: str | Path, split: Part | None = None) -> BoxSet:
    """List the images and boxes of a folder, an archive or a JSON of COCO's format.

    Read are COCO's JSON (``annotations.json`` beside ``images/``), YOLO's text files and Pascal
    VOC's XML, as a folder, a ``.tar`` or a ``.tar.gz``.

    Args:
        source: The folder, the archive, or a JSON with its images beside it.
        split: What the boxes are for, ``"train"`` to train on or ``"val"`` to measure on. If the
            data hold splits, it chooses one; ``findings`` of the result says which. Without it they
            are refused.

    Returns:
        The images and boxes; ``findings`` says what was understood, changed and left out.

    Raises:
        DataMissing: there is no such file or folder.
        DataNotAFile: it is a pipe, a device or a socket.
        HoldsNoBoxes: the data are of none of these formats.
        DataError: the boxes cannot be read, or not one can be used; see its subclasses.
    """
    path, name = Path(source), str(source)
    if not os.path.exists(path) or not name:
        raise DataMissing(name)
    if os.path.isdir(path):
        return with_a_box(_open(name, folder_tree(name, path), split))
    if not os.path.isfile(path):
        raise DataNotAFile(name)
    if path.name.lower().endswith(ARCHIVES):
        tree, spool = open_archive(path)
        return with_a_box(replace(_open(name, tree, split), spool=spool))
    if path.suffix.lower() == ".json":
        folder = path.parent.parent if path.parent.name == "annotations" else path.parent
        inside = path.relative_to(folder).as_posix()
        return with_a_box(read_coco_file(str(folder), folder_tree(str(folder), folder), inside))
    raise HoldsNoBoxes(name)


def _open(source: str, tree: Tree, part: Part | None) -> BoxSet:
    """Read the boxes in a folder, in a split of it, or in the one folder that holds them.

    Raises:
        HoldsNoBoxes: there are none.
        SeveralBoxSets: several folders hold some, which are no splits.
    """
    form = format_of(tree.listing)
    if form:
        return _READERS[form](source, tree, part)
    holding = sorted(name for name, inner in groups(tree.listing).items() if format_below(inner))
    if not holding:
        raise HoldsNoBoxes(source)
    splits = find_splits(source, holding, ()) if len(holding) > 1 else None
    if splits:
        used = choose(source, splits, part)
        found = _open(posixpath.join(source, used), tree.below(used), None)
        return record(found, splits, used)
    if len(holding) > 1:
        raise SeveralBoxSets(source, holding[0], holding[1])
    return _open(posixpath.join(source, holding[0]), tree.below(holding[0]), part)
