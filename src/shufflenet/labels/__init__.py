"""Label sets: the identifier and the name of every class, in the order of class indices."""

from shufflenet.labels._classes import class_index, find_class, name_classes
from shufflenet.labels._file_names import file_name, make_distinct
from shufflenet.labels._files import find_repeated, read_labels, read_names
from shufflenet.labels._printable import printable
from shufflenet.labels._sets import ilsvrc2012_order, label_set

__all__ = [
    "class_index",
    "file_name",
    "find_class",
    "find_repeated",
    "ilsvrc2012_order",
    "label_set",
    "make_distinct",
    "name_classes",
    "printable",
    "read_labels",
    "read_names",
]
