"""What a detector finds in images, made up, so that what a page says of it is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from answered import card_of
from shufflenet.data import Sample
from shufflenet.data.boxes import BoxSet
from shufflenet.evaluate import judge_boxes, match_boxes
from shufflenet.report.page import BoxSubject
from shufflenet.spec import Detection

__all__ = ["found_boxes"]

_WIDTH, _HEIGHT = 160, 120  # px, of every image


def found_boxes(
    names: Sequence[str], images: int, folder: Path | None = None, notes: tuple[str, ...] = ()
) -> BoxSubject:
    """Return boxes of these classes: every third is missed, and in each fourth image
    those found are taken for another class.

    Args:
        names: The classes.
        images: The number of images, with four boxes each.
        folder: Where the images are written; unless given, there are none.
        notes: Sentences about the data.
    """
    random = np.random.default_rng(0)
    samples, boxes, labels, found = [], [], [], []
    for at in range(images):
        path = (folder or Path("missing")) / f"{at}.png"
        if folder:
            pixels = random.integers(0, 256, (_HEIGHT, _WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        samples.append(Sample(path.name, -1, str(path)))
        corners = random.integers(0, 50, (4, 2)) + np.array([[0, 0], [80, 0], [0, 60], [80, 60]])
        boxes.append(np.concatenate([corners, random.integers(8, 30, (4, 2))], 1).astype("f4"))
        labels.append((np.arange(4) + 4 * at) % len(names))
        found.append(
            [
                _found(box.tolist(), int(label + (4 * at + i) // 4 % 4 // 3) % len(names), names, i)
                for i, (box, label) in enumerate(zip(boxes[at], labels[at], strict=True))
                if (4 * at + i) % 3
            ]
        )
    ignored = tuple(np.zeros(4, np.bool_) for _ in range(images))
    whole = BoxSet(tuple(samples), tuple(names), boxes, labels, ignored, "made up")
    measures, matches = judge_boxes(found, whole), match_boxes(found, whole, min_score=0.3)
    return BoxSubject(card_of(names), whole, measures, matches, 0.3, {}, notes)


def _found(box: Sequence[float], label: int, names: Sequence[str], rank: int) -> Detection:
    left, top, width, height = box
    return Detection((left, top, width, height - 1), label, names[label], 0.9 - 0.1 * rank)
