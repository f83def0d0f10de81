"""Images with boxes of the objects in them: COCO's, YOLO's and Pascal VOC's formats as one set."""

from shufflenet.data.boxes._findings import BoxFindings, BoxFormat, Counted
from shufflenet.data.boxes._open import open_boxes
from shufflenet.data.boxes._sets import BoxSet

__all__ = ["BoxFindings", "BoxFormat", "BoxSet", "Counted", "open_boxes"]
