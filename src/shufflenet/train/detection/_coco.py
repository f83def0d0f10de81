"""COCO's measures of the boxes that were found in images, by faster-coco-eval."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped]  # it has no types

from shufflenet.data.boxes import BoxSet
from shufflenet.spec import Detection, DetectionAccuracy

__all__ = ["measure_boxes"]


def measure_boxes(found: Sequence[Sequence[Detection]], images: BoxSet) -> DetectionAccuracy:
    """Return COCO's measures of the boxes found in each image."""
    annotations: list[dict[str, Any]] = []
    for number, boxes in enumerate(images.boxes):
        for box, label, ignored in zip(
            boxes.tolist(), images.labels[number], images.ignored[number], strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "bbox": box,
                    "category_id": int(label),
                    "area": box[2] * box[3],
                    "iscrowd": int(ignored),
                }
            )
    sizes = [{"id": i} for i in range(len(images))]
    classes = [{"id": i, "name": name} for i, name in enumerate(images.classes)]
    rows = [
        {"image_id": i, "category_id": each.index, "bbox": list(each.box), "score": each.score}
        for i, own in enumerate(found)
        for each in own
    ]
    count = sum(int((~each).sum()) for each in images.ignored)
    if not rows:
        return DetectionAccuracy(
            images=len(images),
            boxes=count,
            map=0.0,
            map50=0.0,
            map75=0.0,
            map_small=0.0,
            map_medium=0.0,
            map_large=0.0,
        )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO({"images": sizes, "categories": classes, "annotations": annotations})
        judge: Any = COCOeval_faster(
            truth, truth.loadRes(rows), "bbox", print_function=lambda *a: None
        )
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    s = [None if x < 0 else float(np.clip(x, 0, 1)) for x in judge.stats[:6]]
    return DetectionAccuracy(
        images=len(images),
        boxes=count,
        map=s[0] or 0,
        map50=s[1] or 0,
        map75=s[2] or 0,
        map_small=s[3],
        map_medium=s[4],
        map_large=s[5],
    )
