"""Reading boxes in COCO's format: one JSON with the lists images, categories and annotations.

Source: https://cocodataset.org/#format-data, 1 and "Object Detection".
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shufflenet.data._folders import Tree
from shufflenet.data._labels import class_name, is_name
from shufflenet.data._splits import find_splits
from shufflenet.data._walk import Listing
from shufflenet.data.boxes._files import Finder, read_text
from shufflenet.data.boxes._findings import BoxFindings, Tally
from shufflenet.data.boxes._parts import Part, choose, record
from shufflenet.data.boxes._sets import Box, BoxSet, Marked, collect, is_number
from shufflenet.errors import (
    AnnotationInvalid,
    AnnotationsUnreadable,
    BoxClassTwice,
    BoxClassWithoutName,
    BoxImagesMissing,
    BoxImageTwice,
    NotJson,
    SeveralBoxSets,
)
from shufflenet.outside import read_json

Id = int | str

__all__ = ["find_coco", "read_coco", "read_coco_file"]

_LARGEST_BYTES = 1 << 29  # instances_train2017.json has 449 MB
_FOLDERS = ("", "annotations")  # where the JSON lies
_IMAGE_FOLDERS = ("images", "", "data", "JPEGImages")
# As COCO, Roboflow, CVAT, Label Studio and FiftyOne call it, the surest first.
_NAMES = ("annotations.json", "_annotations.coco.json", "labels.json", "result.json", "coco.json")
_INSTANCES = re.compile(r"instances[_-].*\.json", re.IGNORECASE)


def find_coco(listing: Listing) -> list[str]:
    """Return the JSON files of COCO's format, by their names: several if they are of splits."""
    names = [name for name in listing.others if posixpath.dirname(name) in _FOLDERS]
    for known in _NAMES:
        found = [name for name in names if posixpath.basename(name).lower() == known]
        if found:
            return found[:1]
    instances = sorted(name for name in names if _INSTANCES.fullmatch(posixpath.basename(name)))
    if instances:
        return instances
    plain = sorted(name for name in names if name.lower().endswith(".json"))
    splits = find_splits("", [posixpath.splitext(posixpath.basename(n))[0] for n in plain], ())
    return plain if splits else []


def read_coco(source: str, tree: Tree, part: Part | None) -> BoxSet:
    """Read the JSON of a folder or archive; of one for each split, that of ``part``.

    Raises:
        BoxSplitsNotChosen: there are several splits, and no part is given.
        SeveralBoxSets: there are several JSON files that are no splits.
        DataError: the JSON is not of COCO's format, or names images that are not there.
    """
    names = find_coco(tree.listing)
    if len(names) == 1:
        return read_coco_file(source, tree, names[0])
    stems = {posixpath.splitext(posixpath.basename(name))[0]: name for name in names}
    splits = find_splits(source, stems, ())
    if splits is None:
        raise SeveralBoxSets(source, names[0], names[1])
    used = choose(source, splits, part)
    return record(read_coco_file(source, tree, stems[used]), splits, used)


def read_coco_file(source: str, tree: Tree, name: str) -> BoxSet:
    """Read a JSON of COCO's format and list its images.

    Raises:
        AnnotationInvalid: a field is missing or of another type.
        AnnotationsUnreadable: it is no JSON with the lists that COCO's format has.
        BoxClassTwice: two categories have one name or number.
        BoxClassWithoutName: a category has no name.
        BoxImageTwice: two entries have one number or file.
        BoxImagesMissing: it names images that are not there.
    """
    path, tally = posixpath.join(source, name), Tally()
    content = _read(path, read_text(source, tree, name, _LARGEST_BYTES))
    classes = _classes(path, content["categories"])
    images = _images(path, content["images"], tree, _image_folders(name))
    _add_boxes(path, content["annotations"], images, classes, tally)
    used = {image.sample.name for image in images.values()}
    for other in sorted(set(tree.listing.images) - used):
        tally.add("unlisted", other)
    findings = BoxFindings(format="coco", annotations=name)
    return collect(source, images.values(), [name for _, name in classes.values()], findings, tally)


def _read(path: str, text: bytes) -> Mapping[str, list[Any]]:
    """Parse the JSON.

    Raises:
        AnnotationsUnreadable: it is no JSON with the three lists.
    """
    try:
        content = read_json(text, "it", limit_bytes=_LARGEST_BYTES)
    except NotJson as error:
        raise AnnotationsUnreadable(path, "COCO", error) from error
    fields: dict[str, list[Any]] = content if isinstance(content, dict) else {}
    for key in ("images", "categories", "annotations"):
        if not isinstance(fields.get(key), list):
            raise AnnotationsUnreadable(path, "COCO", f"it has no list {key!r}")
    return fields


def _field(path: str, place: str, entry: object, key: str) -> Any:  # noqa: ANN401  # a JSON value
    """Return a field of an entry of a list.

    Raises:
        AnnotationInvalid: the entry is no object, or has no such field.
    """
    if not isinstance(entry, dict):
        raise AnnotationInvalid(path, place, entry, "an object")
    if key not in entry:
        raise AnnotationInvalid(path, place, entry, f"an object with the field {key!r}")
    return entry[key]


def _number_of(path: str, place: str, entry: object, key: str = "id") -> Id:
    """Return what identifies an image or a category, which some programs write as text.

    Raises:
        AnnotationInvalid: it is neither a whole number nor text.
    """
    value = _field(path, place, entry, key)
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise AnnotationInvalid(path, f"{place}.{key}", value, "a whole number or text")


def _classes(path: str, categories: Sequence[object]) -> dict[Id, tuple[int, str]]:
    """Return the label and the name of each category by its number; in order of numbers.

    Raises:
        BoxClassTwice: two have one name or number.
        BoxClassWithoutName: one has no name.
    """
    named, names = dict[Id, str](), set[str]()
    for i, category in enumerate(categories):
        number = _number_of(path, f"categories[{i}]", category)
        name = category.get("name") if isinstance(category, dict) else None
        if not isinstance(name, str) or not is_name(name):
            raise BoxClassWithoutName(path, f"categories[{i}].name")
        name = class_name(name)
        if number in named or name in names:
            raise BoxClassTwice(path, number if number in named else name)
        named[number] = name
        names.add(name)
    if not named:
        raise BoxClassWithoutName(path, "categories[0].name")
    order = enumerate(sorted(named.items(), key=_order))
    return {number: (label, name) for label, (number, name) in order}


def _order(item: tuple[Id, str]) -> tuple[bool, int, str]:
    number = item[0]
    return isinstance(number, str), number if isinstance(number, int) else 0, str(number)


def _image_folders(name: str) -> list[str]:
    """Return the folders that images may lie in, for the JSON of a name, the likeliest first.

    >>> _image_folders("annotations/instances_val2017.json")[:3]
    ['images/val2017', 'val2017', 'images']
    """
    stem = posixpath.splitext(posixpath.basename(name))[0]
    word = re.sub(r"^instances[_-]", "", stem, flags=re.IGNORECASE)
    own = [] if word == stem and name.startswith("_") else [f"images/{word}", word]
    return [*own, *_IMAGE_FOLDERS]


def _images(
    path: str, entries: Sequence[object], tree: Tree, folders: Sequence[str]
) -> dict[Id, Marked]:
    """Return the images by their numbers.

    Raises:
        AnnotationInvalid: a number or a name of a file is none.
        BoxImageTwice: two have one number or file.
        BoxImagesMissing: there are no such files.
    """
    finder, found, missing = Finder(tree.listing.images, folders), dict[Id, Marked](), []
    places = set[str]()
    for i, entry in enumerate(entries):
        number = _number_of(path, f"images[{i}]", entry)
        name = _field(path, f"images[{i}]", entry, "file_name")
        if not isinstance(name, str):
            raise AnnotationInvalid(path, f"images[{i}].file_name", name, "text")
        place = finder.find(name)
        if place is None:
            missing.append(name)
            continue
        if number in found or place in places:
            raise BoxImageTwice(path, name if place in places else number)
        places.add(place)
        found[number] = Marked(tree.sample(place), stated=_stated(entry))
    if missing:
        raise BoxImagesMissing(path, missing)
    return found


def _stated(entry: Any) -> tuple[int, int] | None:  # noqa: ANN401  # a JSON object
    size = entry.get("width"), entry.get("height")
    return size if all(type(side) is int and side > 0 for side in size) else None


def _add_boxes(
    path: str,
    annotations: Sequence[object],
    images: Mapping[Id, Marked],
    classes: Mapping[Id, tuple[int, str]],
    tally: Tally,
) -> None:
    """Add boxes to their images, and count those that have none, or no class.

    Raises:
        AnnotationInvalid: a field is missing or of another type.
    """
    for i, entry in enumerate(annotations):
        place = f"annotations[{i}]"
        image = images.get(_number_of(path, place, entry, "image_id"))
        category = _number_of(path, place, entry, "category_id")
        if image is None:
            tally.add("unknown_images", place)
        elif category not in classes:
            tally.add_unknown_class(str(category)[:40])
        else:
            crowd = _crowd(path, place, entry)
            box = _box(path, place, _field(path, place, entry, "bbox"))
            image.add(box, classes[category][0], ignored=crowd)


def _crowd(path: str, place: str, entry: Any) -> bool:  # noqa: ANN401  # a JSON object
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise AnnotationInvalid(path, f"{place}.iscrowd", crowd, "0 or 1")
    return bool(crowd)


def _box(path: str, place: str, value: object) -> Box:
    """Return a box of left, top, width and height; one of no area for an empty list.

    Raises:
        AnnotationInvalid: it is no list of four numbers.
    """
    if value == []:
        return (0, 0, 0, 0)
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_number, value)):
        raise AnnotationInvalid(path, f"{place}.bbox", value, "a list of four numbers")
    left, top, width, height = map(float, value)
    return left, top, width, height
