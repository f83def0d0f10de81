"""Trains networks: the training loop, and the folder that a run leaves.

Devices and precision are handled by Lightning Fabric. Everything random is a function of seed,
epoch, image index and how often the epoch has shown that image. A run is therefore the same for any
number of workers, and a run that was killed and resumed ends with the same weights.
"""

import dataclasses
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from lightning_fabric import Fabric

from shufflenet.recipes import RECIPES, Recipe
from shufflenet.train._check_parts import check_parts
from shufflenet.train._choose_preprocess import Reading
from shufflenet.train._describe import describe_device
from shufflenet.train._devices import is_first_process, launch_fabric
from shufflenet.train._find_rate import FoundRate, find_rate
from shufflenet.train._folder_lock import lock_folder
from shufflenet.train._job import Job, open_setup
from shufflenet.train._loop import Loop
from shufflenet.train._parameter_groups import freeze
from shufflenet.train._record_images import record_images
from shufflenet.train._run import (
    changed_fields,
    check_place,
    open_run,
    record_changes,
    recorded_fields,
    run_facts,
)
from shufflenet.train._session import Result, Session
from shufflenet.train._setup import Setup, check_images
from shufflenet.train._teacher import Teacher, TeacherLogits
from shufflenet.train._together import check_same_run, name_lost_process

__all__ = [
    "FoundRate",
    "Job",
    "Reading",
    "Result",
    "Session",
    "Setup",
    "Teacher",
    "TeacherLogits",
    "find_rate_for_job",
    "is_first_process",
    "train",
    "train_job",
]

_log = logging.getLogger(__name__)


def train_job(
    job: Job, recipe: Recipe | None, session: Session, fields: Mapping[str, Any] | None = None
) -> Result:
    """Train a network on folders or archives of images, as ``shufflenet train`` does.

    Args:
        job: The data, and the network or weights to start from.
        recipe: How to train; chosen by the images and the weights if ``None``.
        session: How the run is executed.
        fields: Fields of the recipe to override.

    Raises:
        DataError: the data cannot be read, do not fit together, or do not suffice.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: this machine has no such accelerator, or a field is impossible.
        TeacherMismatch: the teacher does not know the classes of the data.
        RunError: the folder is in use or in the data, holds another run, or cannot be resumed; the
            loss is not finite, or memory does not suffice.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    given = dict(fields or {})
    if session.resume and (recipe is None or recipe == RECIPES.get(recipe.name)):
        given = recorded_fields(session.folder) | given  # what the run was changed to before
    return train(open_setup(job, recipe, _name(session), given), session)


def find_rate_for_job(
    job: Job, recipe: Recipe | None, session: Session, fields: Mapping[str, Any] | None = None
) -> FoundRate:
    """Find a learning rate for ``train_job`` with the same arguments; no file is written.

    Raises:
        DataError: the data cannot be read, do not fit together, or do not suffice.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: this machine has no such accelerator, a field is impossible, or a batch does
            not fit into memory.
        TeacherMismatch: the teacher does not know the classes of the data.
    """
    setup = open_setup(job, recipe, _name(session), fields or {})
    fabric = _start(setup, session)
    return find_rate(Loop(fabric, setup, dataclasses.replace(session, resume=False)))


def _name(session: Session) -> str:
    return session.folder.resolve().name


def train(setup: Setup, session: Session) -> Result:
    """Train a network and write a run to ``session.out``.

    The folder holds ``run.json`` (network, recipe and data), ``last.pt`` and ``last-but-one.pt``
    (all that resuming needs), ``metrics.jsonl`` (a line per epoch), ``best.safetensors`` (the
    network of the best epoch so far, with its card), ``held-out.csv`` and ``trained-on.npy`` (see
    ``shufflenet.runs``), and TensorBoard's events.

    Args:
        setup: The network, images and recipe. Afterwards the network has the weights of the last
            whole epoch, averaged if the recipe says so, on the device of the session.
        session: How the run is executed. A run that is resumed with another number of epochs or
            another patience goes on along the new schedule.

    Raises:
        DataError: the data do not suffice.
        SpecError: this machine has no such accelerator, or a batch cannot be computed.
        RunError: the folder is in use or in the data, holds another run, or cannot be resumed; the
            loss is not finite, or memory does not suffice; of several processes one has ended, or
            trains something else.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    check_place(session.folder, setup)
    fabric = _start(setup, session)
    session = dataclasses.replace(session, resume=fabric.broadcast(session.resume))
    with name_lost_process(fabric, session.folder):
        return _train(fabric, setup, session)


def _train(fabric: Fabric, setup: Setup, session: Session) -> Result:
    """Train in processes that are connected; only the first reads and writes the run's folder."""
    first, facts, folder = fabric.is_global_zero, run_facts(setup), session.folder
    check_same_run(fabric, folder, facts)
    with lock_folder(folder) if first else nullcontext():
        if first:
            open_run(folder, facts, resume=session.resume)
            record_images(folder, setup, resume=session.resume)
        own = changed_fields(folder, facts) if first and session.resume else {}
        changes = fabric.broadcast(own)  # the others wait for the first here
        loop = Loop(fabric, setup, session)
        if changes:
            loop.watch_from_here()
            if first:
                record_changes(folder, facts, changes, loop.progress.step)
        return loop.run()


def _start(setup: Setup, session: Session) -> Fabric:
    """Check the setup before anything is written, and start the processes of the session.

    Raises:
        SpecError: the devices cannot share a batch, a part of one is too small for the network's
            norms, or there are fewer parts of the network than are to be frozen.
    """
    check_images(setup)
    freeze(setup.net, setup.recipe)
    processes = session.devices * session.nodes
    check_parts(setup.net, setup.recipe, len(setup.training), processes)
    fabric = launch_fabric(session)
    _log.info("%s", describe_device(fabric.device, session))
    return fabric
