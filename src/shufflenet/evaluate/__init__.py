"""Accuracy of a model over a labeled set: of one right class an image, of any number, of boxes."""

from shufflenet.evaluate._boxes import (
    RECALLS,
    BoxMeasures,
    ClassOfFound,
    judge_boxes,
    measure_boxes,
)
from shufflenet.evaluate._label_sets import (
    ClassPrecision,
    LabelMistake,
    average_precision,
    compute_logits,
    measure_label_sets,
    precision_of_classes,
    right_classes,
)
from shufflenet.evaluate._one_label import Detail, Mistake, evaluate

__all__ = [
    "RECALLS",
    "BoxMeasures",
    "ClassOfFound",
    "ClassPrecision",
    "Detail",
    "LabelMistake",
    "Mistake",
    "average_precision",
    "compute_logits",
    "evaluate",
    "judge_boxes",
    "measure_boxes",
    "measure_label_sets",
    "precision_of_classes",
    "right_classes",
]
