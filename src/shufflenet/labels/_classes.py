"""The names of classes, looked up."""

from collections import Counter
from collections.abc import Sequence

from shufflenet.spec import Label

__all__ = ["class_index", "name_classes"]


def name_classes(identifiers: Sequence[str], names: dict[str, str]) -> tuple[Label, ...]:
    """Return classes with their names; a class without a name is named by its identifier.

    >>> name_classes(["n01443537"], {"n01443537": "goldfish"})
    (Label(id='n01443537', name='goldfish'),)
    """
    return tuple(Label(identifier, names.get(identifier, identifier)) for identifier in identifiers)


def class_index(labels: Sequence[Label]) -> dict[str, int]:
    """Map identifiers to class indices, and every name that only one class has.

    >>> class_index([Label("n01443537", "goldfish")])
    {'goldfish': 0, 'n01443537': 0}
    """
    counts = Counter(label.name for label in labels)
    by_name = {label.name: i for i, label in enumerate(labels) if counts[label.name] == 1}
    return by_name | {label.id: index for index, label in enumerate(labels)}
