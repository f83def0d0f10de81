"""Training: the loop, and the run it leaves; devices and precision are Fabric's.

Everything random is a function of (seed, epoch, index of the image, how often the epoch has shown
it), so a run is the same whatever the number of workers, and one that was killed goes on exactly
as if it had not been.
"""

import dataclasses
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from lightning_fabric import Fabric

from shufflenet.data import ImageSet, load, open_images
from shufflenet.errors import DataError, ImageError, SpecError
from shufflenet.models import load_model_and_card
from shufflenet.networks import ShuffleNet
from shufflenet.recipes import Recipe
from shufflenet.spec import Card, Preprocess
from shufflenet.train._choose import settled
from shufflenet.train._devices import fabric_for, is_first_process
from shufflenet.train._find_rate import FoundRate, find_rate
from shufflenet.train._groups import freeze
from shufflenet.train._job import Job, prepare
from shufflenet.train._lock import locked
from shufflenet.train._loop import Loop, Result, Session
from shufflenet.train._run import facts, open_run
from shufflenet.train._teacher import Answers, Teacher, open_answers, open_teacher
from shufflenet.zoo import find_network

__all__ = [
    "Answers",
    "FoundRate",
    "Job",
    "Result",
    "Session",
    "Teacher",
    "find_rate_for_job",
    "is_first_process",
    "train",
    "train_job",
]

_log = logging.getLogger(__name__)

# Network, card, images to train on and to validate on, recipe, teacher.
_Made: TypeAlias = tuple[ShuffleNet, Card, ImageSet, ImageSet, Recipe, Teacher | Answers | None]


def train_job(
    job: Job, recipe: Recipe | None, session: Session, fields: Mapping[str, Any] | None = None
) -> Result:
    """Train a network on folders or archives of images; what ``shufflenet train`` does.

    Args:
        job: What is trained on what.
        recipe: What to do; chosen by the images and the weights if none.
        session: How to do it.
        fields: Fields of the recipe to override.

    Raises:
        DataError: the data cannot be read, do not fit together, or do not suffice.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: this machine has no such accelerator, or a field is impossible.
        TeacherMismatch: the teacher does not know the classes of the data.
        RunError: the folder is in use, holds another run, or cannot be resumed; the loss is no
            number, or memory does not suffice.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    net, card, training, validation, recipe, teacher = _made(job, recipe, session, fields or {})
    return train(net, card, training, validation, recipe, session, teacher)


def find_rate_for_job(
    job: Job, recipe: Recipe | None, session: Session, fields: Mapping[str, Any] | None = None
) -> FoundRate:
    """Find a learning rate for what ``train_job`` would do; nothing is written or kept.

    Raises:
        DataError: the data cannot be read, do not fit together, or do not suffice.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: this machine has no such accelerator, a field is impossible, or a batch does
            not fit into memory.
        TeacherMismatch: the teacher does not know the classes of the data.
    """
    net, card, training, validation, recipe, teacher = _made(job, recipe, session, fields or {})
    fabric = _started(net, card, training, validation, recipe, session)
    session = dataclasses.replace(session, resume=False)
    return find_rate(Loop(fabric, net, card, training, validation, recipe, session, teacher))


def _made(job: Job, recipe: Recipe | None, session: Session, fields: Mapping[str, Any]) -> _Made:
    alone = sorted({"distillation", "temperature"} & fields.keys())
    if alone and job.teacher is None:
        raise SpecError(alone[0], fields[alone[0]], "left out where no --teacher is given")
    if job.model is not None:
        find_network(job.model)  # a wrong name is told before any download
    images = open_images(job.data)
    source = load_model_and_card(job.weights)[1] if job.weights else None
    recipe = settled(recipe, fields, images, source)
    name = session.out.resolve().name
    net, card, training, validation = prepare(job, recipe, name, images)
    teacher: Teacher | Answers | None = None
    if job.teacher is not None and Path(job.teacher).suffix == ".npy":
        teacher = open_answers(job.teacher, images, training)
    elif job.teacher is not None:
        teacher = open_teacher(job.teacher, card.labels)
    return net, card, training, validation, recipe, teacher


def train(
    net: ShuffleNet,
    card: Card,
    training: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    session: Session,
    teacher: Teacher | Answers | None = None,
) -> Result:
    """Train a network and leave a run in ``session.out``.

    The folder holds ``run.json`` (network, recipe and data), ``last.pt`` and ``last-but-one.pt``
    (all that resuming needs), ``metrics.jsonl`` (a line an epoch), ``best.safetensors`` (the
    network of the best epoch so far, with its card), and TensorBoard's events.

    Args:
        net: The network, with random or given weights. It holds, when this is done, what the last
            whole epoch left, averaged if the recipe says so, on the device of the session.
        card: Its card without accuracy; labels in the order of class indices.
        training: Images to train on.
        validation: Images to choose the best epoch by; labels numbered as in ``training``.
        recipe: What to do.
        session: How to do it.
        teacher: What to learn from besides the labels, or instead (``recipe.distillation``): maps
            images ``(n, 3, h, w)``, red, green and blue from 0 to 255, to logits; or its logits for
            every image of ``training``, ``(images, classes)``.

    Raises:
        DataError: the data do not suffice.
        SpecError: this machine has no such accelerator.
        RunError: the folder is in use, holds another run, or cannot be resumed; the loss is no
            number, or memory does not suffice.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    fabric = _started(net, card, training, validation, recipe, session)
    # The others wait for the first process, which has the folder to itself.
    with locked(session.out) if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            open_run(session.out, facts(card, recipe, training, validation), resume=session.resume)
        fabric.barrier()
        return Loop(fabric, net, card, training, validation, recipe, session, teacher).run()


def _started(
    net: ShuffleNet,
    card: Card,
    training: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    session: Session,
) -> Fabric:
    """See that all is well before anything is written, and start the processes there are.

    Raises:
        SpecError: the devices cannot share a batch, or the network has not so many parts to freeze.
    """
    _check_data(training, validation, card.preprocess)
    shared_by = session.devices * session.nodes
    if recipe.batch_size % shared_by:
        expected = f"a multiple of the {shared_by} devices that share it"
        raise SpecError("batch_size", recipe.batch_size, expected)
    freeze(net, recipe)
    fabric = fabric_for(session.accelerator, session.precision, session.devices, session.nodes)
    _log.info(
        "Carried out on %s%s in %s; processes that decode images: %d.",
        *("" if shared_by == 1 else f"{shared_by} times ", fabric.device),
        *(session.precision, session.workers),
    )
    return fabric


def _check_data(training: ImageSet, validation: ImageSet, how: Preprocess) -> None:
    if len(training.classes) < 2:
        raise DataError(
            training.source,
            f"has one class, {training.classes[0]!r}",
            "Training needs two or more class folders.",
        )
    first = {sample.label: sample for sample in reversed(training.samples)}
    if all(isinstance(load(sample, how), ImageError) for sample in first.values()):
        raise DataError(
            training.source,
            "holds no image that can be read: not one class begins with one",
            "Look at the files with: shufflenet predict.",
        )
    present = {sample.label for sample in validation.samples}
    missing = [name for label, name in enumerate(training.classes) if label not in present]
    if missing:
        raise DataError(
            validation.source,
            f"has no image of {len(missing)} of {len(training.classes)} classes, "
            f"such as {missing[0]!r}",
            "Validation must cover every class that is trained.",
        )
