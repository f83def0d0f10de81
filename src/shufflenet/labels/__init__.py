"""Label sets: the identifier and the name of every class, in the order of class indices."""

from shufflenet.labels._classes import class_index, name_classes
from shufflenet.labels._files import find_repeated, read_labels, read_names
from shufflenet.labels._printable import printable
from shufflenet.labels._sets import ilsvrc2012_order, label_set

__all__ = [
    "class_index",
    "find_repeated",
    "ilsvrc2012_order",
    "label_set",
    "name_classes",
    "printable",
    "read_labels",
    "read_names",
]
