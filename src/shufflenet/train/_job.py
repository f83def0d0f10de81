"""A training command's arguments, and the setup they describe."""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from shufflenet.data import ImageSet, Part, open_images, relabel, split
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import SpecError
from shufflenet.labels import name_classes, read_names
from shufflenet.models import (
    describe,
    load_model_and_card,
    new_classes,
    start_from,
    with_preprocess,
)
from shufflenet.networks import AnyNetwork, Detector, ShuffleNet, build, build_detector
from shufflenet.recipes import Recipe, stem_stride_for
from shufflenet.spec import Card, DetectorSpec, Label, NetworkSpec, Origin, Preprocess, Task
from shufflenet.train._choose_preprocess import Reading, choose_preprocess, fit_of
from shufflenet.train._choose_recipe import choose_recipe
from shufflenet.train._describe import describe_start, log_setup
from shufflenet.train._imprint import imprint
from shufflenet.train._initialize import initialize
from shufflenet.train._priors import start_at_priors
from shufflenet.train._setup import Setup
from shufflenet.train._teacher import open_teacher, open_teacher_logits
from shufflenet.train.detection import (
    BoxSets,
    check_recipe,
    hold_out,
    images_of,
    open_box_set,
    open_validation,
)
from shufflenet.zoo import find_network

__all__ = ["Job", "open_setup"]

_log = logging.getLogger(__name__)
_DEFAULT_NETWORK = "shufflenet_v2_x1_0"  # where neither a network nor weights are named
_HELD_OUT = 0.1  # of every class, where no validation set is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The data to train on, and the network or weights to start from.

    Attributes:
        data: Class folders, an archive of them, shards, parquet or a table; see ``data``.
        val: The same to validate on. If ``None``, the validation split of ``data`` where its
            folders are splits, such as ``train`` and ``val``, and else ``val_fraction`` of it.
        task: ``detection`` to find boxes; ``multi-label`` if any number of classes may be right;
            ``classification`` if one is. If ``None`` one of the latter two, as the labels look; see
            ``data.open_images``.
        val_fraction: The share of every class of ``data`` that is held out to validate on, at most
            a half. A tenth if ``None`` and nothing else is to be validated on.
        reading: What is read of the images, and how they are made to fit.
        labels: A file of names of classes; see ``labels.read_names``.
        model: Name of a network; that of the weights, else ``shufflenet_v2_x1_0``, if ``None``.
        weights: Name or file of a checkpoint to start from; random weights if ``None``.
        teacher: A checkpoint or ONNX file to learn from, or a ``.npy`` file of its logits.
        stem_stride: Factor by which the stem shrinks images; by the image size if ``None``.
        licence: Licence of the trained weights, for their card.
    """

    data: str | Path
    val: str | Path | None = None
    task: Task | None = None
    val_fraction: float | None = None
    reading: Reading = field(default_factory=Reading)
    labels: str | Path | None = None
    model: str | None = None
    weights: str | Path | None = None
    teacher: str | Path | None = None
    stem_stride: int | None = None
    licence: str = ""

    def __post_init__(self) -> None:
        fraction = self.val_fraction
        if fraction is not None and self.val is not None:
            raise SpecError("val_fraction", fraction, "left out where --val is given")
        if fraction is not None and not 0 < fraction <= 0.5:
            raise SpecError("val_fraction", fraction, "greater than 0 and at most 0.5")


def open_setup(
    job: Job, recipe: Recipe | None, name: str, fields: Mapping[str, Any] | None = None
) -> Setup:
    """Open the images, weights and teacher of a job, and create its network and card, ``name``.

    See ``train_job`` for the arguments.

    Raises:
        DataError: the data cannot be read or do not fit together.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: a field is impossible, or is about a teacher where there is none; the weights
            take other channels than their card says.
        TeacherMismatch: the teacher does not know the classes of the data.
    """
    _check(job, fields or {})
    boxes = open_box_set(job.data, "train") if job.task == "detection" else None
    images = images_of(boxes) if boxes else _open_images(job.data, "train", job.task)
    source = load_model_and_card(job.weights) if job.weights else None
    start = source[1] if source else None
    _check_channels(start)
    fit = fit_of(job.reading, start, images.task)
    recipe = choose_recipe(recipe, fields or {}, images, start, fit)
    check_recipe(recipe, images.task)
    sets = _box_sets(job, recipe, boxes) if boxes else None
    if sets:
        training, validation = images_of(sets.training), images_of(sets.validation)
    else:
        training, validation = _images(job, recipe, images)
    labels = name_classes(training.classes, read_names(job.labels) if job.labels else {})
    how = choose_preprocess(job.reading, recipe.image_px, training, start)
    net, new = _create_network(job, recipe, how, labels, source)
    card = Card(
        name=_as_text(name),
        network=net.spec,
        preprocess=how,
        labels=labels,
        task=training.task,
        origin=_origin(job, recipe, training, start),
        detector=net.detector if isinstance(net, Detector) else None,
    )
    if isinstance(net, ShuffleNet):
        if training.task == "multi-label":
            start_at_priors(net, labels, training, new)
        else:
            imprint(net, card, training, new)
    setup = Setup(
        net=net,
        card=card,
        training=training,
        validation=validation,
        recipe=recipe,
        knows_classes=len(new) < len(labels),
        boxes=sets,
    )
    log_setup(setup)
    return _with_teacher(setup, job.teacher, images)


def _check(job: Job, fields: Mapping[str, Any]) -> None:
    """Check what can be checked before anything is opened or downloaded.

    Raises:
        SpecError: a field is about a teacher, and there is none.
        UnknownName: no network goes by the name of the job's.
    """
    if job.model is not None:
        find_network(job.model)
    if job.teacher is not None and job.task == "detection":
        raise SpecError("teacher", str(job.teacher), "left out: a detector learns from boxes alone")
    for name in sorted({"distillation", "temperature"} & fields.keys()):
        if job.teacher is None:
            raise SpecError(name, fields[name], "left out where no --teacher is given")


def _check_channels(start: Card | None) -> None:
    """Check that the weights to start from take the channels that their card says are read.

    Raises:
        SpecError: they do not: a network of other channels was saved with the usual preprocessing.
    """
    read = start.preprocess.in_channels if start else 0
    if start and start.network.in_channels != read:
        expected = f"{read}, which its preprocess reads, so {start.name!r} cannot be started from"
        raise SpecError("in_channels", start.network.in_channels, expected)


def _with_teacher(setup: Setup, teacher: str | Path | None, images: ImageSet) -> Setup:
    """Return the setup with the teacher of a job opened; ``images`` are all of ``job.data``."""
    if teacher is None:
        return setup
    if Path(teacher).suffix.lower() == ".npy":
        logits = open_teacher_logits(teacher, images, setup.training)
        return dataclasses.replace(setup, teacher_logits=logits)
    card = setup.card
    opened = open_teacher(teacher, card.labels, card.preprocess, card.task)
    return dataclasses.replace(setup, teacher=opened)


def _box_sets(job: Job, recipe: Recipe, boxes: BoxSet) -> BoxSets:
    """Return the boxes to train on and to validate on."""
    found = boxes.findings.validation
    if job.val is None and (job.val_fraction is not None or not found):
        return hold_out(boxes, _held_out_share(job, recipe), recipe.seed)
    if job.val is None:
        _log.info("Validated on the images in %r.", found)
    return BoxSets(boxes, open_validation(job.data if job.val is None else job.val, boxes.classes))


def _held_out_share(job: Job, recipe: Recipe) -> float:
    """Return the share of every class that is held out, and log it."""
    fraction = job.val_fraction or _HELD_OUT
    share = "A tenth" if fraction == _HELD_OUT else f"{fraction:.0%}"
    _log.info(
        "%s of every class is held out to validate on, chosen by seed %d.", share, recipe.seed
    )
    return fraction


def _images(job: Job, recipe: Recipe, images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Return the images to train on and to validate on."""
    found = images.findings.validation
    if job.val is None and (job.val_fraction is not None or not found):
        return split(images, _held_out_share(job, recipe), recipe.seed)
    validation = (
        open_images(job.data, "val", images.task)
        if job.val is None
        else _open_images(job.val, "val", images.task)
    )
    if job.val is None:
        _log.info("Validated on the images in %r.", found)
    index = {name: number for number, name in enumerate(images.classes)}
    return images, relabel(validation, images.classes, index)


def _open_images(source: str | Path, part: Part, task: Task | None) -> ImageSet:
    """Open images, and log what was understood of them and what is not used."""
    images = open_images(source, part, task)
    for sentence in images.findings.sentences(images.source):
        _log.info("%s", sentence)
    return images


def _create_network(
    job: Job,
    recipe: Recipe,
    how: Preprocess,
    labels: Sequence[Label],
    source: tuple[AnyNetwork, Card] | None,
) -> tuple[AnyNetwork, list[str]]:
    """Create the network of a job for these classes, with the weights it starts from if any.

    The first convolution of the weights is adapted to images that are read in another way.

    Returns:
        The network, and the identifiers of the classes that the weights do not know.
    """
    start = source[1].network if source else find_network(_DEFAULT_NETWORK)
    network = find_network(job.model) if job.model is not None else start
    detector = _detector(job, network, source)
    stem_stride = job.stem_stride or (
        detector.stem_stride(network) if detector else stem_stride_for(network, recipe.image_px)
    )
    torch.manual_seed(recipe.seed)
    spec = dataclasses.replace(
        network, classes=len(labels), stem_stride=stem_stride, in_channels=how.in_channels
    )
    net = build_detector(spec, detector) if detector else build(spec)
    if isinstance(net, ShuffleNet):
        initialize(net, recipe.initialization, torch.Generator().manual_seed(recipe.seed))
    all_new = [label.id for label in labels]
    if source is None:
        return net, all_new
    trained, card = source
    kept = start_from(net, labels, with_preprocess(trained, card.preprocess, how), card)
    new = new_classes(labels, card) if kept else all_new
    _log.info("%s", _describe_start(net, card, new, str(job.weights)))
    if card.network.name != network.name:
        _log.info("The network starts as %s, which is narrower.", source[1].network.name)
    return net, new


def _describe_start(net: AnyNetwork, card: Card, new: Sequence[str], weights: str) -> str:
    """Return what becomes of the weights that a run starts from."""
    if isinstance(net, Detector) and card.detector is None:
        return f"The stages are those of {weights}; what finds boxes is new."
    return describe_start(net.spec.classes, new, weights)


def _detector(
    job: Job, network: NetworkSpec, source: tuple[AnyNetwork, Card] | None
) -> DetectorSpec | None:
    """Return what is put on the stages of a network, if it is to detect.

    Raises:
        SpecError: the stem is to have a stride that no detector has.
    """
    if job.task != "detection":
        return None
    known = source[1].detector if source else None
    detector = known or DetectorSpec()
    stride = detector.stem_stride(network)
    if job.stem_stride not in (None, stride):
        raise SpecError("stem_stride", job.stem_stride, f"{stride}, for a detector")
    return detector


def _as_text(name: str) -> str:
    r"""Return a file name as UTF-8 text, as cards are; other bytes become ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _origin(job: Job, recipe: Recipe, training: ImageSet, start: Card | None) -> Origin:
    """Return what the card says of the training."""
    overridable = ", ".join(f"{field} {value}" for field, value in recipe.overridable.items())
    images, classes = len(training), len(training.classes)
    return Origin(
        data=f"{_as_text(Path(training.source).name)}: {images} images of {classes} classes",
        licence=job.licence,
        started_from=describe(start) if start else "",
        taught_by=_as_text(Path(job.teacher).name) if job.teacher else "",
        recipe=f"{recipe.name} ({overridable})",
        software=f"shufflenet {version('shufflenet')}, torch {torch.__version__}",
    )
