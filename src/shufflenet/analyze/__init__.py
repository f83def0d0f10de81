"""What a model's answers to a labeled set say: which classes, images and labels go wrong.

``answer`` computes the answers in one pass; everything else is computed of them.
"""

from shufflenet.analyze._answers import Answers, Unread, answer
from shufflenet.analyze._calibration import Calibration, ReliabilityBin, calibration
from shufflenet.analyze._classes import ClassRow, class_rows
from shufflenet.analyze._compare import Comparison, compare, mcnemar
from shufflenet.analyze._confusion import (
    ConfusedPair,
    Confusion,
    confused_pairs,
    count_confusion,
)
from shufflenet.analyze._duplicates import Duplicate, duplicates, duplicates_between
from shufflenet.analyze._groups import Group, by_brightness, by_size
from shufflenet.analyze._interval import Share, share_of
from shufflenet.analyze._mistakes import ConfidentMistake, confident_mistakes
from shufflenet.analyze._suspects import Suspect, suspects

__all__ = [
    "Answers",
    "Calibration",
    "ClassRow",
    "Comparison",
    "ConfidentMistake",
    "ConfusedPair",
    "Confusion",
    "Duplicate",
    "Group",
    "ReliabilityBin",
    "Share",
    "Suspect",
    "Unread",
    "answer",
    "by_brightness",
    "by_size",
    "calibration",
    "class_rows",
    "compare",
    "confident_mistakes",
    "confused_pairs",
    "count_confusion",
    "duplicates",
    "duplicates_between",
    "mcnemar",
    "share_of",
    "suspects",
]
