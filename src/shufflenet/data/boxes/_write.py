"""Writing images with boxes as a folder of COCO's, YOLO's or Pascal VOC's format."""

import itertools
import json
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from shufflenet.data._sets import Sample
from shufflenet.data.boxes._findings import BoxFormat
from shufflenet.data.boxes._sets import BoxSet, read_size
from shufflenet.errors import WriteError
from shufflenet.files import partial_folder

__all__ = ["WrittenBoxes", "write_boxes"]

_PLAIN_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff/\\:]{1,100}")
Texts = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBoxes:
    """What was written.

    Attributes:
        path: The folder.
        format: That of the boxes.
        images: How many.
        boxes: How many.
        left_out: Boxes that count neither for nor against a detector, which YOLO's format cannot
            say: they are not written.
    """

    path: str
    format: BoxFormat
    images: int
    boxes: int
    left_out: int


@dataclass(frozen=True, slots=True)
class _Image:
    """An image as it is written: its name in the new folder, its size and its boxes."""

    sample: Sample
    name: str
    size: tuple[int, int]
    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.intp]
    ignored: npt.NDArray[np.bool_]

    @property
    def stem(self) -> str:
        return posixpath.splitext(self.name)[0]


def write_boxes(
    images: BoxSet,
    to: str | Path,
    form: BoxFormat,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> WrittenBoxes:
    """Write images with their boxes as a folder that ``open_boxes`` and other programs read.

    Images are copied byte for byte, so that the folder needs nothing of the source. What is read
    back is equal to the bit from COCO's format, to 0.001 px from YOLO's and VOC's. VOC's lists
    no classes: their order is that of their names, and those without a box are lost.

    Args:
        images: The images and boxes.
        to: The folder, which must not exist.
        form: ``coco`` writes annotations.json and images/; ``yolo`` data.yaml, images/ and labels/;
            ``voc`` Annotations/, JPEGImages/ and ImageSets/.
        on_progress: Called with the number of images done since the last call.

    Raises:
        WriteError: the folder exists, or the disk is full; nothing is left behind.
        ImageError: an image can no longer be read.
        DataUnreadable: the archive that images are in can no longer be read.
    """
    to = Path(to)
    if os.path.lexists(to):
        raise WriteError(to, "it exists already")
    entries = _entries(images)
    texts, folder = {
        "coco": (_coco_texts(entries, images.classes), "images"),
        "yolo": (_yolo_texts(entries, images.classes), "images"),
        "voc": (_voc_texts(entries, images), "JPEGImages"),
    }[form]
    with partial_folder(to) as partial:
        (partial / folder).mkdir()
        for entry in entries:
            (partial / folder / entry.name).write_bytes(entry.sample.read())
            on_progress(1)
        for name, text in texts:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_text(text, encoding="utf-8")
        partial.rename(to)
    ignored = sum(int(each.sum()) for each in images.ignored)
    left_out = ignored if form == "yolo" else 0
    boxes = sum(map(len, images.boxes)) - left_out
    return WrittenBoxes(
        path=str(to), format=form, images=len(images), boxes=boxes, left_out=left_out
    )


def _entries(images: BoxSet) -> list[_Image]:
    sizes = images.sizes or [read_size(sample) for sample in images.samples]
    names = _names([sample.name for sample in images.samples])
    columns = (images.samples, names, sizes, images.boxes, images.labels, images.ignored)
    return [_Image(*row) for row in zip(*columns, strict=True)]


def _names(names: Sequence[str]) -> list[str]:
    """Return names for files of one folder, whose stems differ, also where capitals do not count.

    >>> _names(["a/0.jpg", "b/0.png", "1.jpg"])
    ['0.jpg', '0_2.png', '1.jpg']
    """
    taken, found = set[str](), []
    for name in names:
        stem, ending = posixpath.splitext(posixpath.basename(name))
        stem = stem if _PLAIN_NAME.fullmatch(stem) and stem == stem.strip() else "image"
        numbered = itertools.chain([stem], (f"{stem}_{i}" for i in itertools.count(2)))
        free = next(each for each in numbered if each.casefold() not in taken)
        taken.add(free.casefold())
        found.append(free + ending)
    return found


def _coco_texts(entries: Sequence[_Image], classes: Sequence[str]) -> Texts:
    """Yield COCO's JSON; images, categories and boxes are numbered from 1."""
    numbers = itertools.count(1)
    annotations = [
        {
            "id": next(numbers),
            "image_id": i,
            "category_id": label + 1,
            "bbox": box,
            "area": round(box[2] * box[3], 2),
            "iscrowd": int(ignored),
        }
        for i, entry in enumerate(entries, 1)
        for box, label, ignored in zip(
            _shortest(entry.boxes), entry.labels.tolist(), entry.ignored.tolist(), strict=True
        )
    ]
    content = {
        "images": [
            {"id": i, "file_name": each.name, "width": each.size[0], "height": each.size[1]}
            for i, each in enumerate(entries, 1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, 1)],
        "annotations": annotations,
    }
    yield "annotations.json", json.dumps(content)


def _shortest(boxes: npt.NDArray[np.float32]) -> list[list[float]]:
    """Return boxes as the numbers of the fewest digits that are equal to them in float32."""
    return [[float(str(value)) for value in box] for box in boxes]


def _yolo_texts(entries: Sequence[_Image], classes: Sequence[str]) -> Texts:
    """Yield YOLO's texts; 8 digits after the point are 0.0003 px of the widest image."""
    for entry in entries:
        size = np.array(entry.size, np.float64)
        boxes = entry.boxes.astype(np.float64)
        parts = np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
        lines = [
            f"{label} " + " ".join(f"{value:.8f}" for value in part)
            for part, label, ignored in zip(
                parts / np.tile(size, 2), entry.labels, entry.ignored, strict=True
            )
            if not ignored
        ]
        yield f"labels/{entry.stem}.txt", "".join(f"{line}\n" for line in lines)
    names = (f"  {i}: {_quoted(name)}\n" for i, name in enumerate(classes))
    yield "data.yaml", f"# val: the folder of images to measure on\n{_FOLDERS}{''.join(names)}"


def _quoted(name: str) -> str:
    """Return a name as YAML quotes it: as JSON, but for its escapes of two halves."""
    text = json.dumps(name, ensure_ascii=False)
    return re.sub("[\u2028\u2029\ufeff]", lambda match: f"\\u{ord(match[0]):04x}", text)


_FOLDERS = "train: images\nval: images\nnames:\n"


def _voc_texts(entries: Sequence[_Image], images: BoxSet) -> Texts:
    """Yield VOC's XML files, whose pixels are numbered from 1, and the list of all images."""
    for entry in entries:
        width, height = entry.size
        objects = (
            _voc_object(images.classes[label], box, ignored)
            for box, label, ignored in zip(
                entry.boxes.astype(np.float64), entry.labels, entry.ignored, strict=True
            )
        )
        yield (
            f"Annotations/{entry.stem}.xml",
            "<annotation>\n"
            f"  <folder>JPEGImages</folder>\n  <filename>{escape(entry.name)}</filename>\n"
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
            f"{''.join(objects)}</annotation>\n",
        )
    stems = "".join(f"{entry.stem}\n" for entry in entries)
    yield "ImageSets/Main/trainval.txt", stems


def _voc_object(name: str, box: npt.NDArray[np.float64], ignored: np.bool_) -> str:
    left, top, width, height = box.tolist()
    edges = {"xmin": left + 1, "ymin": top + 1, "xmax": left + width, "ymax": top + height}
    inside = "".join(f"<{side}>{_decimal(value)}</{side}>" for side, value in edges.items())
    return (
        f"  <object><name>{escape(name)}</name><difficult>{int(ignored)}</difficult>"
        f"<bndbox>{inside}</bndbox></object>\n"
    )


def _decimal(value: float) -> str:
    """Return a number with at most four digits after the point, and none that say nothing.

    >>> _decimal(12.0), _decimal(0.12345)
    ('12', '0.1235')
    """
    return f"{value:.4f}".rstrip("0").rstrip(".")
