"""Small data sets of boxes, written by hand in each format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shufflenet.data.boxes import BoxSet

__all__ = [
    "check_usual",
    "coco_json",
    "counted",
    "voc_object",
    "write_coco_set",
    "write_image",
    "write_voc_set",
    "write_yolo_set",
]

CLASSES = ("cat", "dog")


def write_image(path: Path, width: int = 64, height: int = 48, seed: int = 0) -> None:
    """Write a small image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def coco_json(boxes: Sequence[tuple[int, int, Sequence[float]]], images: int = 3) -> dict[str, Any]:
    """Return annotations of COCO's format: boxes of image and category, both from 1."""
    return {
        "images": [
            {"id": i + 1, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(images)
        ],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
        "annotations": [
            {"id": i + 1, "image_id": image, "category_id": category, "bbox": list(box)}
            for i, (image, category, box) in enumerate(boxes)
        ],
    }


def write_coco_set(folder: Path, content: object = None) -> Path:
    """Write three images of 64 x 48 px and their annotations: by default a box in the first two."""
    for i in range(3):
        write_image(folder / "images" / f"{i}.png", seed=i)
    default = coco_json([(1, 1, (2, 3, 10, 20)), (2, 2, (5, 6, 7, 8)), (2, 1, (0, 0, 64, 48))])
    (folder / "annotations.json").write_text(json.dumps(default if content is None else content))
    return folder


def write_yolo_set(folder: Path, *, names: str = "names: [cat, dog]\n") -> Path:
    """Write the same set as ``write_coco_set`` in YOLO's format; the last image has no text."""
    for i in range(3):
        write_image(folder / "images" / f"{i}.png", seed=i)
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text(names, encoding="utf-8")
    (folder / "labels" / "0.txt").write_text(_yolo_line(0, (2, 3, 10, 20)))
    lines = (_yolo_line(1, (5, 6, 7, 8)), _yolo_line(0, (0, 0, 64, 48)))
    (folder / "labels" / "1.txt").write_text("".join(lines))
    return folder


def _yolo_line(label: int, box: tuple[int, int, int, int]) -> str:
    left, top, width, height = box
    x, y = (left + width / 2) / 64, (top + height / 2) / 48
    return f"{label} {x} {y} {width / 64} {height / 48}\n"


def write_voc_set(folder: Path) -> Path:
    """Write the same set as ``write_coco_set`` in Pascal VOC's format."""
    for i in range(3):
        write_image(folder / "JPEGImages" / f"{i}.png", seed=i)
    (folder / "Annotations").mkdir()
    boxes = [[("cat", (3, 4, 12, 23))], [("dog", (6, 7, 12, 14)), ("cat", (1, 1, 64, 48))], []]
    for i, inside in enumerate(boxes):
        objects = "".join(voc_object(name, edges) for name, edges in inside)
        (folder / "Annotations" / f"{i}.xml").write_text(
            f"<annotation><filename>{i}.png</filename><size><width>64</width>"
            f"<height>48</height></size>{objects}</annotation>"
        )
    return folder


def voc_object(name: str, edges: Sequence[object], difficult: int = 0) -> str:
    """Return an object of VOC's XML: its first and last columns and rows are numbered from 1."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)
    inside = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult>"
        f"<part><name>head</name><bndbox>{inside}</bndbox></part><bndbox>{inside}</bndbox></object>"
    )


def counted(images: BoxSet) -> dict[str, int]:
    """What was counted of each kind, where it is not 0."""
    counts = {name: getattr(images.findings, name) for name in ("clipped", "empty", "doubled")}
    counts |= {
        name: getattr(images.findings, name)
        for name in ("unknown_images", "unreadable", "unlisted", "orphans", "other_sizes", "small")
    }
    return {name: each.count for name, each in counts.items() if each.count}


def check_usual(images: BoxSet) -> None:
    """Check the set that ``write_coco_set`` writes."""
    assert images.classes == ("cat", "dog")
    assert [Path(each.name).name for each in images.samples] == ["0.png", "1.png", "2.png"]
    assert [each.tolist() for each in images.boxes] == [
        [[2, 3, 10, 20]], [[5, 6, 7, 8], [0, 0, 64, 48]], [],
    ]  # fmt: skip
    assert [each.tolist() for each in images.labels] == [[0], [1, 0], []]
    assert [each.dtype for each in (images.boxes[2], images.labels[2], images.ignored[2])] == [
        np.float32, np.intp, np.bool_,
    ]  # fmt: skip
    assert images.boxes[2].shape == (0, 4)
    assert list(images.sizes) == [(64, 48)] * 3
    assert images.findings.without_boxes == 1
    assert counted(images) == {}
    assert images.findings.sentences(images.source) == []
