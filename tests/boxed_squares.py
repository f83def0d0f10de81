"""Images of colored squares with their boxes, in COCO's format."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["COLORS", "write_boxed_squares"]

COLORS = {"blue": (30, 40, 220), "red": (220, 40, 30)}


def write_boxed_squares(folder: Path, images: int, side_px: int = 64, seed: int = 0) -> Path:
    """Write square images of gray noise, each but the last with one to three colored squares."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, object]] = []
    for number in range(images):
        pixels = rng.integers(100, 156, (side_px, side_px, 3), np.uint8)
        for _ in range(rng.integers(1, 4) if number < images - 1 else 0):
            size = int(rng.integers(side_px // 4, side_px // 2))
            left, top = rng.integers(0, side_px - size, 2).tolist()
            kind = int(rng.integers(2))
            pixels[top : top + size, left : left + size] = list(COLORS.values())[kind]
            box = {"bbox": [left, top, size, size], "image_id": number, "category_id": kind}
            annotations.append({**box, "id": len(annotations)})
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(images)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(COLORS)],
        "annotations": annotations,
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder
