"""Reading boxes in YOLO's format: for each image a text with a box a line.

Source: docs.ultralytics.com/datasets/detect: ``class x y width height``, the middle and the size of
a box in parts of the image's width and height; an image without a text has no boxes.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Sequence

from shufflenet.data._folders import Tree
from shufflenet.data._labels import class_name, is_name
from shufflenet.data._splits import find_splits
from shufflenet.data._walk import Listing
from shufflenet.data.boxes._files import folder_tree, read_text
from shufflenet.data.boxes._findings import BoxFindings, Tally
from shufflenet.data.boxes._names import read_names
from shufflenet.data.boxes._parts import Part, choose, record
from shufflenet.data.boxes._sets import Box, BoxSet, Marked, collect
from shufflenet.errors import (
    AnnotationInvalid,
    AnnotationsUnreadable,
    BoxClassTwice,
    BoxClassWithoutName,
    ClassesOfBoxesMissing,
)

__all__ = ["find_yolo", "read_yolo"]

_LARGEST_BYTES = 1 << 22  # of a text
_NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
_CLASS = re.compile(r"[0-9]{1,6}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_MOST = 10.0  # of a part: beyond it is no rounding, but a number of pixels
_LEAST_OUTLINE = 7  # words of a class and three points
_EXPECTED = "a class's number and four numbers in parts of the image"


def find_yolo(listing: Listing) -> list[str]:
    """Return the texts of boxes: those in folders called labels, as images in those called images.

    Where a file names classes, texts beside images of the same name are ones, too.
    """
    others = set(listing.others)
    pairs = {image: _text_of(image) for image in listing.images}
    beside = _name_file(listing) is not None
    return [
        text
        for image, text in pairs.items()
        if text in others and (beside or "labels" in text.split("/")[:-1])
    ]


def _text_of(image: str) -> str:
    """Return the text of an image: the last folder ``images`` is ``labels`` for it.

    >>> _text_of("train/images/0.jpg"), _text_of("images/train/0.jpg"), _text_of("a/0.jpg")
    ('train/labels/0.txt', 'labels/train/0.txt', 'a/0.txt')
    """
    *folders, name = image.split("/")
    if "images" in folders:
        at = len(folders) - 1 - folders[::-1].index("images")
        folders[at] = "labels"
    return "/".join((*folders, f"{posixpath.splitext(name)[0]}.txt"))


def _name_file(listing: Listing) -> str | None:
    return next((name for name in _NAME_FILES if name in listing.others), None)


def read_yolo(source: str, tree: Tree, part: Part | None) -> BoxSet:
    """Read the texts of a folder or archive; those of ``part`` if folders are splits.

    Raises:
        AnnotationInvalid: a line is none of a box.
        BoxSplitsNotChosen: there are several splits, and no part is given.
        ClassesOfBoxesMissing: no file names the classes.
        DataError: a file cannot be read, or the classes have no proper names.
    """
    classes, named_by = _classes(source, tree)
    folders = {image: _split_of(image) for image in tree.listing.images}
    splits = find_splits(source, set(folders.values()), ()) if "" not in folders.values() else None
    used = choose(source, splits, part) if splits else ""
    names = [image for image, folder in folders.items() if not splits or folder == used]
    tally, others = Tally(), set(tree.listing.others)
    texts = {_text_of(name) for name in folders}
    for other in sorted(others - texts):
        if other.endswith(".txt") and "labels" in other.split("/")[:-1]:
            tally.add("orphans", other)
    images = []
    for name in names:
        image = Marked(tree.sample(name), relative=True)
        if _text_of(name) in others:
            _add_boxes(source, tree, image, classes, tally)
        images.append(image)
    findings = BoxFindings(format="yolo", annotations=named_by)
    found = collect(source, images, classes, findings, tally)
    return record(found, splits, used) if splits else found


def _split_of(image: str) -> str:
    """Return the folder of an image that may be a split: the first that is not ``images``.

    >>> _split_of("images/val/0.jpg"), _split_of("val/images/0.jpg"), _split_of("images/0.jpg")
    ('val', 'val', '')
    """
    return next((name for name in image.split("/")[:-1] if name != "images"), "")


def _classes(source: str, tree: Tree) -> tuple[list[str], str]:
    """Return the names of the classes, and the file that names them, here or in the folder above.

    Raises:
        AnnotationsUnreadable: it cannot be read.
        BoxClassTwice: two classes have one name.
        BoxClassWithoutName: one has no name.
        ClassesOfBoxesMissing: there is no such file.
    """
    given, file = source, _name_file(tree.listing)
    if file is None and tree.folder is not None:  # of a split, whose names are beside it
        tree = folder_tree(source, tree.folder.absolute().parent, deep=False)
        source, file = str(tree.folder), _name_file(tree.listing)
    if file is None:
        raise ClassesOfBoxesMissing(given)
    path = posixpath.join(source, file)
    text = _text(source, tree, file)
    try:
        names = text.split("\n") if not file.endswith(("yaml", "yml")) else read_names(text)
    except ValueError as error:
        raise AnnotationsUnreadable(path, "YOLO", error) from error
    while names and not names[-1].strip():
        names.pop()
    for number, name in enumerate(names or [""]):
        if not is_name(name.strip()):
            raise BoxClassWithoutName(path, f"class {number}")
    names = [class_name(name) for name in names]
    if len(set(names)) < len(names):
        raise BoxClassTwice(path, Counter(names).most_common(1)[0][0])
    return names, file


def _text(source: str, tree: Tree, name: str) -> str:
    """Read a text.

    Raises:
        AnnotationsUnreadable: it is not UTF-8.
    """
    try:
        return read_text(source, tree, name, _LARGEST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        path = posixpath.join(source, name)
        raise AnnotationsUnreadable(path, "YOLO", "it is not UTF-8") from error


def _add_boxes(
    source: str, tree: Tree, image: Marked, classes: Sequence[str], tally: Tally
) -> None:
    """Add the boxes of a text to its image.

    Raises:
        AnnotationInvalid: a line is none of a box.
    """
    name = _text_of(image.sample.name)
    for number, line in enumerate(_text(source, tree, name).split("\n"), 1):
        words = line.split()
        if not words:
            continue
        is_outline = len(words) >= _LEAST_OUTLINE and len(words) % 2 == 1
        values = [float(word) for word in words[1:] if _FLOAT.fullmatch(word)]
        sound = len(values) == len(words) - 1 and all(abs(value) <= _MOST for value in values)
        if not _CLASS.fullmatch(words[0]) or not sound or not (is_outline or len(words) == 5):
            place = f"line {number}"
            raise AnnotationInvalid(posixpath.join(source, name), place, line.strip(), _EXPECTED)
        tally.add("outlined", name, is_outline)
        if int(words[0]) < len(classes):
            image.add(_around(values) if is_outline else _box(values), int(words[0]))
        else:
            tally.add_unknown_class(words[0])


def _box(values: Sequence[float]) -> Box:
    x, y, width, height = values
    return x - width / 2, y - height / 2, width, height


def _around(points: Sequence[float]) -> Box:
    """Return the box around an outline of points x, y."""
    left, top = min(points[::2]), min(points[1::2])
    return left, top, max(points[::2]) - left, max(points[1::2]) - top
