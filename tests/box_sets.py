"""Small data sets of boxes, written by hand in each format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["coco_json", "write_coco_set", "write_image"]

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
