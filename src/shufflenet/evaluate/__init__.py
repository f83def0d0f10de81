"""Accuracy of a model over a labeled set: of one right class an image, of any number, of boxes."""

from shufflenet.evaluate._box_rows import BOX_COLUMNS, box_row
from shufflenet.evaluate._boxes import (
    IOUS,
    RECALLS,
    BoxMeasures,
    ClassOfFound,
    check_measures,
    judge_boxes,
    measure_boxes,
)
from shufflenet.evaluate._detector import FoundBoxes, evaluate_detector, find_boxes, fit_boxes
from shufflenet.evaluate._label_sets import (
    ClassPrecision,
    LabelMistake,
    average_precision,
    compute_logits,
    measure_label_sets,
    precision_of_classes,
    right_classes,
)
from shufflenet.evaluate._match_boxes import BoxMatch, MatchKind, match_boxes
from shufflenet.evaluate._one_label import Detail, Mistake, evaluate

__all__ = [
    "BOX_COLUMNS",
    "IOUS",
    "RECALLS",
    "BoxMatch",
    "BoxMeasures",
    "ClassOfFound",
    "ClassPrecision",
    "Detail",
    "FoundBoxes",
    "LabelMistake",
    "MatchKind",
    "Mistake",
    "average_precision",
    "box_row",
    "check_measures",
    "compute_logits",
    "evaluate",
    "evaluate_detector",
    "find_boxes",
    "fit_boxes",
    "judge_boxes",
    "match_boxes",
    "measure_boxes",
    "measure_label_sets",
    "precision_of_classes",
    "right_classes",
]
