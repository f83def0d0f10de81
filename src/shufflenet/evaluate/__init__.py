"""Accuracy of a model over a labeled set: of one right class an image, or of any number."""

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
    "ClassPrecision",
    "Detail",
    "LabelMistake",
    "Mistake",
    "average_precision",
    "compute_logits",
    "evaluate",
    "measure_label_sets",
    "precision_of_classes",
    "right_classes",
]
