"""From folders and names to a run: what a user says, made into what the loop needs."""

import dataclasses
import logging
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from shufflenet.data import ImageSet, open_images, relabel, split
from shufflenet.errors import SpecError
from shufflenet.labels import name_classes, read_names
from shufflenet.models import load_model_and_card, start_from
from shufflenet.networks import ShuffleNet, build
from shufflenet.preprocess import mean_image
from shufflenet.recipes import Recipe, preprocess_for, stem_stride_for
from shufflenet.spec import Card, NetworkSpec, Origin, Preprocess
from shufflenet.zoo import find_network

__all__ = ["Job", "prepare"]

_log = logging.getLogger(__name__)
_USUAL = "shufflenet_v2_x1_0"  # the network, where neither it nor weights are named
_HELD_OUT = 0.1  # of every class, where no validation set is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is trained on what."""

    data: str | Path  # class folders, or a .tar or .tar.gz of them
    val: str | Path | None = None  # the same; a tenth of every class of ``data`` if none
    labels: str | Path | None = None  # see ``labels.read_names``
    model: str | None = None  # a network's name; that of the weights, or else _USUAL, if none
    weights: str | Path | None = None  # a checkpoint to start from
    teacher: str | Path | None = None  # a checkpoint, an ONNX file, or stored answers
    stem_stride: int | None = None  # see ``spec.V2Spec``; by the recipe's image size if none
    licence: str = ""


def prepare(
    job: Job, recipe: Recipe, name: str, images: ImageSet | None = None
) -> tuple[ShuffleNet, Card, ImageSet, ImageSet]:
    """Make the network, its card, and the images to train and to validate on.

    Args:
        job: What is trained on what.
        recipe: What will be done.
        name: What the card calls the network.
        images: Those of ``job.data``, where they are open already.

    Raises:
        DataError: the data cannot be read or do not fit together.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: they are of one that takes no colours.
    """
    training, validation = _images(job, recipe, images)
    named = find_network(job.model) if job.model is not None else None
    source = load_model_and_card(job.weights)[1] if job.weights else None
    network = named or _network_of(source)
    stem_stride = job.stem_stride or stem_stride_for(network, recipe.image_px)
    classes = len(training.classes)
    torch.manual_seed(recipe.seed)
    net = build(dataclasses.replace(network, classes=classes, stem_stride=stem_stride))
    card = _card(job, recipe, training, net.spec, name, source)
    if job.weights and not start_from(net, card.labels, job.weights):
        known = source.network.classes if source else 0
        _log.info(
            "The classifier is new: %s knows other classes than the data, %d of them.",
            *(job.weights, known),
        )
    if source and source.network.name != network.name:
        _log.info("It begins as %s, which is narrower.", source.network.name)
    _log.info(
        "%s, stem stride %d: %d images to train on and %d to validate on, %d classes, %d epochs.",
        network.name,
        stem_stride,
        len(training),
        len(validation),
        len(training.classes),
        recipe.epochs,
    )
    return net, card, training, validation


def _images(job: Job, recipe: Recipe, images: ImageSet | None) -> tuple[ImageSet, ImageSet]:
    training = open_images(job.data) if images is None else images
    if job.val is None:
        _log.info(
            "A tenth of every class is held out to validate on, chosen by seed %d.", recipe.seed
        )
        return split(training, _HELD_OUT, recipe.seed)
    index = {name: number for number, name in enumerate(training.classes)}
    return training, relabel(open_images(job.val), training.classes, index)


def _network_of(source: Card | None) -> NetworkSpec:
    """Find the network to train where none is named: that of the weights to start from.

    Raises:
        SpecError: it takes other images than those in colours.
    """
    if source is None:
        return find_network(_USUAL)
    if source.network.in_channels != 3:
        expected = f"3 to train on image files, for which {source.name!r} is no start"
        raise SpecError("in_channels", source.network.in_channels, expected)
    return source.network


def _text(name: str) -> str:
    r"""Write a file's name so that a card, which is UTF-8, can hold it: other bytes as ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _described(card: Card) -> str:
    """Name a checkpoint by what its card says, since files are moved."""
    trained = f"{card.origin.recipe}; {card.origin.steps} steps" if card.origin.recipe else ""
    return f"{card.name}: {trained or card.origin.data}"


def _preprocess_like(source: Card | None, image_px: int) -> Preprocess:
    """Return the preprocessing for a new size, with the colors that the starting weights know.

    A mean image has one size; for images of another its mean of every channel stands in.
    """
    how = preprocess_for(image_px)
    if source is None:
        return how
    known = source.preprocess
    own_size = image_px == known.crop_px
    return dataclasses.replace(
        how,
        channels=known.channels,
        value_range=known.value_range,
        mean=known.mean if own_size else _mean_with_image(known),
        std=known.std,
        mean_image=known.mean_image if own_size else "",
    )


def _mean_with_image(how: Preprocess) -> tuple[float, float, float]:
    """Return the means of channels, in the order and range of ``how.mean``, mean image included."""
    image = mean_image(how)
    if image is None:
        return how.mean
    of_image = image.mean(axis=(1, 2), dtype=float) * how.value_range / 255
    first, second, third = (float(a + b) for a, b in zip(how.mean, of_image, strict=True))
    return first, second, third


def _card(
    job: Job,
    recipe: Recipe,
    training: ImageSet,
    network: NetworkSpec,
    name: str,
    source: Card | None,
) -> Card:
    described = ", ".join(f"{field} {value}" for field, value in recipe.overridable.items())
    images, classes = len(training), len(training.classes)
    return Card(
        name=_text(name),
        network=network,
        preprocess=_preprocess_like(source, recipe.image_px),
        labels=name_classes(training.classes, read_names(job.labels) if job.labels else {}),
        origin=Origin(
            data=f"{_text(Path(training.source).name)}: {images} images of {classes} classes",
            licence=job.licence,
            started_from=_described(source) if source else "",
            taught_by=_text(Path(job.teacher).name) if job.teacher else "",
            recipe=f"{recipe.name} ({described})",
            software=f"shufflenet {version('shufflenet')}, torch {torch.__version__}",
        ),
    )
