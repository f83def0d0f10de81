"""The names of classes, looked up."""

from collections import Counter
from collections.abc import Sequence

from shufflenet.errors import UnknownClass
from shufflenet.spec import Label

__all__ = ["class_index", "find_class", "name_classes"]


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


def find_class(text: str, labels: Sequence[Label]) -> int:
    """Return the index of the class that a text names: by identifier, name or index.

    Upper and lower case count as one. Of a name of several words with commas, as in WordNet, one is
    enough if no other class has it.

    Raises:
        UnknownClass: it names none, or several.

    >>> cats = [Label("n02123045", "tabby, tabby cat"), Label("n02123597", "Siamese cat, Siamese")]
    >>> find_class("siamese", cats), find_class("n02123045", cats), find_class("1", cats)
    (1, 0, 1)
    """
    known = class_index(labels)
    if text in known:
        return known[text]
    names = {name.casefold(): index for name, index in _words(labels).items()}
    names |= {name.casefold(): index for name, index in known.items()}
    if text.casefold() in names:
        return names[text.casefold()]
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(labels):
        return int(text)
    raise UnknownClass(text, {*known, *_words(labels)}, len(labels))


def _words(labels: Sequence[Label]) -> dict[str, int]:
    """Map each word of names that are several words with commas to the only class that has it."""
    words = [(word, index) for index, label in enumerate(labels) for word in label.name.split(", ")]
    counts = Counter(word for word, _ in words)
    return {word: index for word, index in words if counts[word] == 1}
