"""Weights of a checkpoint for a network with other classes, stem or width."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shufflenet.data import class_name
from shufflenet.errors import CheckpointMismatch, SpecError
from shufflenet.networks import (
    AnyNetwork,
    Detector,
    ShuffleNet,
    build_with,
    can_widen,
    load_arrays,
    state_arrays,
    widen,
)
from shufflenet.spec import Card, Label, NetworkSpec, differing_fields

__all__ = ["identifiers_of", "new_classes", "same_weights_fit", "start_from"]


def start_from(
    net: AnyNetwork, labels: Sequence[Label | str], source: AnyNetwork, card: Card
) -> int:
    """Copy the weights of a loaded checkpoint into a network.

    The classifier keeps a row for every class that the checkpoint has too, wherever that stands;
    the rows of all other classes stay as they are in ``net``. See ``new_classes``.

    A detector may start from a classifier, and takes its stem and its stages. From a detector with
    the same neck and heads it takes these too, and of the known classes the rows of scores.

    Args:
        net: The network to change. Its stem may shrink images by another factor than the
            checkpoint's, and of V2 it may be wider: it then computes what the checkpoint does (see
            ``shufflenet.networks.widen``).
        labels: The classes of ``net``, or their identifiers, in the order of its logits; empty
            where they are not known, and then no row is kept.
        source: The network of the checkpoint; it is not changed.
        card: The card of the checkpoint.

    Returns:
        How many rows of the classifier, or of scores, were kept.

    Raises:
        CheckpointMismatch: the checkpoint is of another network.
        SpecError: there are labels, but not one for each class, or two are the same.
    """
    if isinstance(net, Detector):
        kept = _start_detector(net, labels, source, card)
    elif isinstance(source, Detector):
        raise CheckpointMismatch(net.spec.name, [f"{card.name} is a detector, not a classifier"])
    else:
        kept = _start_classifier(net, labels, source, card)
    net.started_from = card
    return kept


def _start_detector(
    net: Detector, labels: Sequence[Label | str], source: AnyNetwork, card: Card
) -> int:
    if not same_weights_fit(net.spec, source.spec):
        raise CheckpointMismatch(net.spec.name, [f"{card.name} is a {source.spec.name}"])
    own, given = state_arrays(net), state_arrays(source)
    if not (isinstance(source, Detector) and source.detector == net.detector):
        trunk = {key: given[key] for key in given if key.startswith(("conv1.", "stage"))}
        load_arrays(net, own | trunk)
        return 0
    rows = _source_rows(net.spec.classes, labels, card)
    known = np.flatnonzero(rows >= 0)
    for key in [key for key in given if ".output." in key]:
        scores, sides = given[key][: source.spec.classes], given[key][source.spec.classes :]
        mixed = np.concatenate([own[key][: net.spec.classes], sides])
        mixed[known] = scores[rows[known]]
        given[key] = mixed
    load_arrays(net, given)
    return len(known)


def _start_classifier(
    net: ShuffleNet, labels: Sequence[Label | str], source: ShuffleNet, card: Card
) -> int:
    fits = same_weights_fit(net.spec, source.spec)
    if not fits and not can_widen(source, net):
        raise CheckpointMismatch(net.spec.name, [f"{card.name} is a {source.spec.name}"])
    rows = _source_rows(net.spec.classes, labels, card)
    new = rows < 0
    arrays = state_arrays(source)
    classifier = [key for key in arrays if key.startswith("fc.")]
    arrays |= {key: arrays[key][rows] for key in classifier}  # any row for a new class
    if not fits:
        narrow = build_with(replace(source.spec, classes=net.spec.classes), arrays)
        arrays = state_arrays(widen(narrow, net))
    own = state_arrays(net)
    for key in classifier:
        arrays[key][new] = own[key][new]
    load_arrays(net, arrays)
    return int(len(new) - new.sum())


def new_classes(labels: Sequence[Label | str], card: Card) -> list[str]:
    """Return the identifiers of the classes that a checkpoint does not have.

    It has a class whose identifier is that of one of its classes or, if only one of them has it,
    the name of one, as ``goldfish`` is of ``n01443537``; identifiers that look the same are equal
    (``data.class_name``). One that it has twice is not known, unless all classes are the
    checkpoint's in its order. Each of its classes is one class here: the one of its identifier
    before the one of its name.

    Raises:
        SpecError: two of the classes are the same.
    """
    rows = _source_rows(len(labels), labels, card)
    return [name for name, row in zip(_ids(labels), rows, strict=True) if row < 0]


def _source_rows(classes: int, labels: Sequence[Label | str], card: Card) -> npt.NDArray[np.int64]:
    """Return the row of the checkpoint's classifier for every class, ``(classes,)``; -1 for none.

    Raises:
        SpecError: there are labels, but not one for each class, or two are the same.
    """
    if not labels:
        return np.full(classes, -1)
    if len(labels) != classes:
        raise SpecError("labels", len(labels), f"{classes}, one for each class of the network")
    of_card = [label.id for label in card.labels]
    if _ids(labels) == of_card:
        return np.arange(classes)
    wanted = [class_name(each) for each in identifiers_of(labels)]
    by_id, by_name = _unique(of_card), _unique([label.name for label in card.labels])
    rows = [by_id.get(each, -1) for each in wanted]
    taken, all_ids = set(rows), set(map(class_name, of_card))
    for place, each in enumerate(wanted):
        row = -1 if each in all_ids else by_name.get(each, -1)
        if rows[place] < 0 and row not in taken:
            rows[place] = row
    return np.array(rows)


def _unique(names: Sequence[str]) -> dict[str, int]:
    """Return the places of the names that come once, by name."""
    alike = [class_name(each) for each in names]
    counts = Counter(alike)
    return {each: row for row, each in enumerate(alike) if counts[each] == 1}


def _ids(labels: Sequence[Label | str]) -> list[str]:
    return [label if isinstance(label, str) else label.id for label in labels]


def identifiers_of(labels: Sequence[Label | str]) -> list[str]:
    """Return the identifiers of classes.

    Raises:
        SpecError: it is a text, which would be a class for each letter, or two are the same.
    """
    if isinstance(labels, str):
        raise SpecError("labels", labels, f"a list of classes, such as ['{labels}', 'other']")
    identifiers = _ids(labels)
    (most, count), *_ = Counter(identifiers).most_common(1) or [("", 0)]
    if count > 1:
        raise SpecError("labels", f"{count} times {most}", "classes with different identifiers")
    return identifiers


def same_weights_fit(wanted: NetworkSpec, given: NetworkSpec) -> bool:
    """Return whether two networks take the same weights, but for those of the classifier."""
    free = {"classes", "stem_stride", "dropout"}
    return type(wanted) is type(given) and differing_fields(wanted, given) <= free
