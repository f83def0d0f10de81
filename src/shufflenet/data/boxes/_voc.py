"""Reading boxes in Pascal VOC's format: an XML for each image.

Source: the devkit of the PASCAL Visual Object Classes Challenge 2012, devkit_doc, 8.1 and 11.4.2:
pixels are numbered from 1, and a box is from xmin to xmax with both in it.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shufflenet.data._folders import Tree
from shufflenet.data._labels import class_name, class_order, is_name
from shufflenet.data._splits import Splits
from shufflenet.data._walk import Listing
from shufflenet.data.boxes._files import Finder, read_text
from shufflenet.data.boxes._findings import BoxFindings, Tally
from shufflenet.data.boxes._parts import Part, choose, record
from shufflenet.data.boxes._sets import Box, BoxSet, Marked, collect, is_number
from shufflenet.data.boxes._xml import LARGEST_XML_BYTES, Element, read_xml
from shufflenet.errors import (
    AnnotationInvalid,
    AnnotationsUnreadable,
    BoxClassWithoutName,
    BoxImagesMissing,
    BoxImageTwice,
)

__all__ = ["find_voc", "read_voc"]

_FOLDER = re.compile(r"(.*/)?annotations(/.*)?", re.IGNORECASE)
_SET = re.compile(r"ImageSets/Main/(train|val|test|trainval)\.txt")
_LARGEST_SET_BYTES = 1 << 26  # of a file of names: a million images
_IMAGE_FOLDERS = ("JPEGImages", "images", "")


def find_voc(listing: Listing) -> list[str]:
    """Return the XML files: those in the folder Annotations, or beside images of their names."""
    found = sorted(name for name in listing.others if name.lower().endswith(".xml"))
    inside = [name for name in found if _FOLDER.fullmatch(posixpath.dirname(name))]
    if inside or not found:
        return inside
    stems = {posixpath.splitext(name)[0] for name in listing.images}
    return [name for name in found if posixpath.splitext(name)[0] in stems]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an XML says: its image, the size of that, and objects of class, box and difficulty."""

    place: str
    stated: tuple[int, int] | None
    objects: list[tuple[str, Box, bool]]


def read_voc(source: str, tree: Tree, part: Part | None) -> BoxSet:
    """Read the XML files of a folder or archive; of those of one split if ``ImageSets`` has some.

    Classes are those of all XML files, in order of names.

    Raises:
        AnnotationInvalid: a value is none that it can be.
        AnnotationsUnreadable: a file is no XML of VOC's format.
        BoxImageTwice: two files are of one image.
        BoxImagesMissing: a split names images that are not there.
        BoxSplitsNotChosen: there are several splits, and no part is given.
        BoxesUnreadable: a file cannot be read.
    """
    tally = Tally()
    entries = _entries(source, tree, tally)
    named = (name for entry in entries.values() for name, _, _ in entry.objects)
    classes = class_order(set(named))
    labels = {name: label for label, name in enumerate(classes)}
    sets = _sets(tree.listing)
    splits = _splits(sets)
    used = choose(source, splits, part) if splits else ""
    if splits:
        entries = _of_set(source, tree, sets[used], entries)
    else:
        for other in sorted(set(tree.listing.images) - {e.place for e in entries.values()}):
            tally.add("unlisted", other)
    images = []
    for entry in entries.values():
        image = Marked(tree.sample(entry.place), stated=entry.stated)
        for name, box, ignored in entry.objects:
            image.add(box, labels[name], ignored=ignored)
        images.append(image)
    findings = BoxFindings(format="voc", annotations=used and sets[used])
    found = collect(source, images, classes, findings, tally)
    return record(found, splits, used) if splits else found


def _entries(source: str, tree: Tree, tally: Tally) -> dict[str, _Entry]:
    """Read all XML files, and return what they say of images that are there, by their stems.

    Raises:
        BoxImageTwice: two files are of one image.
        DataError: a file cannot be read.
    """
    finder, found = Finder(tree.listing.images, _IMAGE_FOLDERS), dict[str, _Entry]()
    places = set[str]()
    for name in find_voc(tree.listing):
        path = posixpath.join(source, name)
        root = _parse(path, read_text(source, tree, name, LARGEST_XML_BYTES))
        objects = [_object(path, each) for each in root.all("object")]
        place = finder.find_beside(name) or finder.find(root.at("filename") or "")
        if place is None:
            tally.add("orphans", name)
            continue
        if place in places:
            raise BoxImageTwice(path, place)
        places.add(place)
        found[_stem(name)] = _Entry(place, _size(root), objects)
    return found


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name))[0]


def _parse(path: str, content: bytes) -> Element:
    """Parse an XML of VOC's format.

    Raises:
        AnnotationsUnreadable: it is none.
    """
    try:
        root = read_xml(content)
    except ValueError as error:
        raise AnnotationsUnreadable(path, "Pascal VOC", error) from error
    if root.name != "annotation":
        raise AnnotationsUnreadable(path, "Pascal VOC", "its outermost element is no annotation")
    return root


def _size(root: Element) -> tuple[int, int] | None:
    sides = [root.at(f"size/{side}") or "" for side in ("width", "height")]
    whole = [int(side) for side in sides if side.isascii() and side.isdecimal() and len(side) < 10]
    return (whole[0], whole[1]) if len(whole) == 2 and all(whole) else None


def _object(path: str, element: Element) -> tuple[str, Box, bool]:
    """Return an object's class, its box and whether it is difficult.

    Raises:
        AnnotationInvalid: a value is none that it can be.
        BoxClassWithoutName: it has no class.
    """
    name = element.at("name") or ""
    if not is_name(name):
        raise BoxClassWithoutName(path, "annotation/object/name")
    low_x, low_y, high_x, high_y = (
        _number(path, element, side) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    difficult = element.at("difficult") or "0"
    if difficult not in ("0", "1"):
        raise AnnotationInvalid(path, "annotation/object/difficult", difficult, "0 or 1")
    box = (low_x - 1, low_y - 1, high_x - low_x + 1, high_y - low_y + 1)
    return class_name(name), box, difficult == "1"


def _number(path: str, element: Element, side: str) -> float:
    """Return an edge of a box.

    Raises:
        AnnotationInvalid: it is no number.
    """
    text = element.at(f"bndbox/{side}")
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not is_number(value):
        raise AnnotationInvalid(path, f"annotation/object/bndbox/{side}", text, "a number")
    return value


def _sets(listing: Listing) -> dict[str, str]:
    """Return the files that list the images of splits, by split."""
    found = ((name, _SET.fullmatch(name)) for name in listing.others)
    return {match[1]: name for name, match in found if match}


def _splits(sets: Mapping[str, str]) -> Splits | None:
    """Return the splits that there are files of; None unless there are two to train and measure.

    ``trainval`` is both together, and is trained on where the two are not apart.
    """
    training = [name for name in ("train", "trainval") if name in sets][:1]
    validation = [name for name in ("val", "test") if name in sets]
    if not training or not validation:
        return None
    rest = [name for name in sets if name not in (training[0], validation[0])]
    return Splits(training, validation[:1], rest, labeled=True)


def _of_set(source: str, tree: Tree, name: str, entries: Mapping[str, _Entry]) -> dict[str, _Entry]:
    """Return the entries of the images that a file lists, one a line.

    Raises:
        AnnotationsUnreadable: it is no text.
        BoxImagesMissing: it lists images that are not there.
    """
    path = posixpath.join(source, name)
    try:
        lines = read_text(source, tree, name, _LARGEST_SET_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise AnnotationsUnreadable(path, "Pascal VOC", "it is not UTF-8") from error
    stems = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    missing = [stem for stem in stems if stem not in entries]
    if missing:
        raise BoxImagesMissing(path, missing)
    return {stem: entries[stem] for stem in stems}
