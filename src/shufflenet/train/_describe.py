"""What a run is about to do, in sentences for people."""

import logging
from collections.abc import Sequence

import torch

from shufflenet.train._session import Session
from shufflenet.train._setup import Setup

__all__ = ["describe_device", "describe_end", "describe_start", "log_setup", "some_of"]

_log = logging.getLogger(__name__)

_ALL = 12  # classes that are named one by one
_FIRST, _LAST = 5, 3  # of more than that
_FEW = 50  # images to validate on, of which one is 2 % of accuracy
_SLOW = 5.0  # per cent of the time, from which waiting for images is worth a remedy
_PRECISIONS = {"32-true": "float32", "bf16-mixed": "bfloat16 and float32", "64-true": "float64"}
_DEVICES = {"cpu": "the CPU", "cuda": "the GPU", "mps": "the GPU"}


def some_of(names: Sequence[str]) -> str:
    """Return names in a row; of more than twelve the first and the last.

    >>> some_of(["cat", "dog"])
    'cat, dog'
    >>> some_of([str(number) for number in range(200)])
    '0, 1, 2, 3, 4, ... 197, 198, 199'
    """
    if len(names) <= _ALL:
        return ", ".join(names)
    return f"{', '.join(names[:_FIRST])}, ... {', '.join(names[-_LAST:])}"


def log_setup(setup: Setup) -> None:
    """Log the network, the images and the classes of a run, by name."""
    net, validation, boxes = setup.net, len(setup.validation), setup.boxes
    names = [label.id for label in setup.card.labels]
    _log.info(
        "%s, stem stride %d: %d images to train on and %d to validate on, %d classes, %d epoch%s.",
        *(net.spec.name, net.spec.stem_stride, len(setup.training), validation),
        *(len(names), setup.recipe.epochs, "" if setup.recipe.epochs == 1 else "s"),
    )
    _log.info("Classes: %s.", some_of(names))
    if boxes:
        counts = [sum(map(len, each.boxes)) for each in (boxes.training, boxes.validation)]
        _log.info("Boxes: %d to train on and %d to validate on.", *counts)
    elif validation < _FEW:
        _log.warning(
            "With %d image%s to validate on, one image is %d points of accuracy.",
            *(validation, "" if validation == 1 else "s", round(100 / validation)),
        )


def describe_start(classes: int, new: Sequence[str], weights: str) -> str:
    """Return what becomes of the classifier of the weights that a run starts from.

    >>> describe_start(3, ["green"], "default")
    'The classifier keeps the rows of 2 of 3 classes; new to default: green.'
    >>> describe_start(3, [], "default")
    'The classifier keeps the rows of all 3 classes: default knows them.'
    >>> describe_start(3, ["blue", "green", "red"], "default")
    'The classifier is new: default knows none of the 3 classes.'
    """
    if not new:
        return f"The classifier keeps the rows of all {classes} classes: {weights} knows them."
    if len(new) == classes:
        return f"The classifier is new: {weights} knows none of the {classes} classes."
    kept = f"{classes - len(new)} of {classes} classes"
    return f"The classifier keeps the rows of {kept}; new to {weights}: {some_of(new)}."


def describe_device(device: torch.device, session: Session) -> str:
    """Return where and how a run is executed.

    >>> describe_device(torch.device("cpu"), Session(out="run", workers=2))
    'On the CPU, float32, 2 loader processes.'
    """
    processes = session.devices * session.nodes
    where = f"On {_DEVICES.get(device.type, device.type)}"
    where += "" if processes == 1 else f" in {processes} processes"
    loaders = f"{session.workers or 'no'} loader process{'' if session.workers == 1 else 'es'}"
    return f"{where}, {_PRECISIONS.get(session.precision, session.precision)}, {loaders}."


def describe_end(took_s: float, waited_s: float) -> str:
    """Return how long training took, and whether loading images slowed it.

    >>> describe_end(47, 0.2)
    'Training took 47 s; loading images was no bottleneck (0.4 %).'
    >>> describe_end(100, 31)
    'Training took 100 s, 31 % of it waiting for images: more --workers or a pack may be faster.'
    """
    waited = 100 * waited_s / took_s if took_s else 0.0
    if waited < _SLOW:
        return f"Training took {took_s:.0f} s; loading images was no bottleneck ({waited:.1f} %)."
    slow = f"{waited:.0f} % of it waiting for images"
    return f"Training took {took_s:.0f} s, {slow}: more --workers or a pack may be faster."
