"""A trained network, written to a checkpoint with a card that is true of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shufflenet.errors import CheckpointMismatch, SpecError
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.models._transfer import identifiers_of
from shufflenet.networks import (
    AnyNetwork,
    Detector,
    build_with,
    compare_logits,
    float_copy,
    state_arrays,
)
from shufflenet.spec import Card, Label, Origin, Preprocess

__all__ = ["describe", "save"]

_TOLERANCE = 1e-3  # of the largest logit; another memory format moves logits by about 1e-6


def save(
    net: nn.Module,
    path: str | Path,
    *,
    labels: Sequence[Label | str],
    preprocess: Preprocess | None = None,
    origin: Origin | None = None,
) -> Card:
    """Write a network that you trained to a checkpoint, and return its card.

    The file can be predicted with, evaluated, exported and trained further like any other. See
    examples/own_loop.py for a whole training loop.

    Args:
        net: The network, on any device and in any mode, also as ``torch.compile`` and
            ``DataParallel`` wrap it; its classifier ``fc`` may have been replaced by a linear layer
            of another number of classes. It is not changed.
        path: Where to write; a name that ends in ``.safetensors``, which becomes the card's name.
        labels: The classes, or their identifiers, in the order of the logits.
        preprocess: How images were resized, cropped and normalized for it; that of the checkpoint
            the network began with unless given, but not a classifier's for a detector.
        origin: What it was trained on, under which licence, by which recipe. ``started_from`` and
            ``software`` are filled in where they are empty. Nothing is taken from the checkpoint
            the network began with: without an origin, data are "unknown" and no licence is named.

    Raises:
        SpecError: there is not one label for each class, two labels are the same, the network is
            none of this package or has no weights yet, it began with random weights and no
            preprocessing is given, or the path ends in something else.
        CheckpointMismatch: parts of the network were replaced, other than its classifier, so that
            it computes something else than its spec and these weights.
        NotDeployable: it holds what cannot be copied.
        NetworkNotNumbers: its logits are infinite or NaN.
        WriteError: the file cannot be written; a file that was there before is unchanged.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise SpecError("path", str(path), "a name that ends in .safetensors")
    network = float_copy(net)
    start = network.started_from
    preprocess = preprocess or _preprocess_of(network, start)
    arrays = state_arrays(network)
    classes = _classes(network, arrays)
    if len(identifiers_of(labels)) != classes:
        raise SpecError("labels", len(labels), f"{classes}, one for each class of the network")
    card = Card(
        name=path.stem,
        network=replace(network.spec, classes=classes),
        preprocess=preprocess,
        labels=tuple(Label(each, each) if isinstance(each, str) else each for each in labels),
        origin=_completed(origin or Origin(data="unknown", licence=""), start),
        task="detection" if isinstance(network, Detector) else "classification",
        detector=network.detector if isinstance(network, Detector) else None,
    )
    _check_rebuilt(network, build_with(card.network, arrays, card.detector))
    write_checkpoint(path, Checkpoint(card, arrays))
    return card


def _preprocess_of(net: AnyNetwork, start: Card | None) -> Preprocess:
    """Return how images are read for a network whose weights began with those of a card.

    Raises:
        SpecError: they were random, or those of a classifier in a detector, which crops no images.
    """
    began = "with random weights" if start is None else "as a classifier"
    if start is None or (isinstance(net, Detector) and start.detector is None):
        expected = f"given, since the network began {began}: a spec.Preprocess"
        raise SpecError("preprocess", None, expected)
    return start.preprocess


def _classes(net: AnyNetwork, arrays: Mapping[str, npt.NDArray[np.generic]]) -> int:
    """Return the number of classes of a network, whose classifier may have been replaced.

    Raises:
        CheckpointMismatch: the classifier is no linear layer.
    """
    if isinstance(net, Detector):
        return net.spec.classes
    if "fc.weight" not in arrays:
        problem = "its classifier fc is no linear layer, which a checkpoint has no other place for"
        raise CheckpointMismatch(net.spec.name, [problem])
    return len(arrays["fc.weight"])


def _check_rebuilt(net: AnyNetwork, rebuilt: AnyNetwork) -> None:
    """Check that a network computes what its spec and its weights do, for only they are stored.

    Raises:
        CheckpointMismatch: it does not.
        NetworkNotNumbers: its logits are infinite or NaN.
    """
    difference, largest = compare_logits(net, rebuilt)
    if not difference <= _TOLERANCE * largest:  # so written, NaN is refused too
        problem = "some of its layers or hooks are not of this network, and change what it computes"
        raise CheckpointMismatch(net.spec.name, [problem])


def _completed(origin: Origin, start: Card | None) -> Origin:
    """Return an origin with what can be known filled in where it is empty."""
    software = f"shufflenet {version('shufflenet')}, torch {torch.__version__}"
    started_from = describe(start) if start is not None else ""
    return replace(
        origin,
        started_from=origin.started_from or started_from,
        software=origin.software or software,
    )


def describe(card: Card) -> str:
    """Describe a checkpoint by its name and its training, since files are moved and renamed."""
    trained = f"{card.origin.recipe}; {card.origin.steps} steps" if card.origin.recipe else ""
    return f"{card.name}: {trained or card.origin.data}"
