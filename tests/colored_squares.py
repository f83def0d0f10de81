"""Made-up images of several labels: squares of up to three colors on gray."""

from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["COLORS", "write_squares"]

COLORS = {"blue": (40, 60, 220), "green": (40, 180, 60), "red": (220, 40, 40)}


def write_squares(folder: Path, images: int, *, seed: int = 0, px: int = 40) -> Path:
    """Write ``images`` PNGs and the table of their colors, ``labels.csv``; return the table.

    Each color is there with a probability of 1/2, so that an eighth of images has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(seed), ["path,label"]
    for number in range(images):
        pixels = np.full((px, px, 3), 128, np.uint8) + rng.integers(0, 20, (px, px, 3), np.uint8)
        there = [name for name in COLORS if rng.random() < 0.5]
        for place, name in zip(rng.permutation(4), there, strict=False):
            top, left = place // 2 * px // 2 + 2, place % 2 * px // 2 + 2
            side = int(rng.integers(px // 4, px // 2 - 4))
            pixels[top : top + side, left : left + side] = COLORS[name]
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
        rows.append(f"{number:03}.png,{'|'.join(there)}")
    table = folder / "labels.csv"
    table.write_text("\n".join(rows) + "\n")
    return table
