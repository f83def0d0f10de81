"""Images with boxes of the objects in them: COCO's, YOLO's and Pascal VOC's formats as one set."""

from shufflenet.data.boxes._findings import TITLES, BoxFindings, BoxFormat, Counted
from shufflenet.data.boxes._match import label_boxes_as
from shufflenet.data.boxes._open import open_boxes
from shufflenet.data.boxes._recognize import is_of_boxes
from shufflenet.data.boxes._sets import BoxSet, check_box_set
from shufflenet.data.boxes._summary import BoxSummary, ClassOfBoxes, summarize
from shufflenet.data.boxes._write import WrittenBoxes, write_boxes

__all__ = [
    "TITLES",
    "BoxFindings",
    "BoxFormat",
    "BoxSet",
    "BoxSummary",
    "ClassOfBoxes",
    "Counted",
    "WrittenBoxes",
    "check_box_set",
    "is_of_boxes",
    "label_boxes_as",
    "open_boxes",
    "summarize",
    "write_boxes",
]
