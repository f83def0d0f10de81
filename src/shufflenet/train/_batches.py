"""The crops and batches of an epoch, as functions of seed and epoch."""

import dataclasses
import logging
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from shufflenet.data import Sample
from shufflenet.errors import DataError, ImageError
from shufflenet.recipes import Recipe
from shufflenet.spec import Preprocess
from shufflenet.train._epoch_order import epoch_order, separate_repeats
from shufflenet.train._load_crop import load_crop
from shufflenet.train._teacher import TeacherLogits
from shufflenet.train.augment import rand_augment, random_erase, trivial_augment
from shufflenet.train.detection import Boxed, load_view

__all__ = ["Batches", "Crops", "Share", "Shown", "ignore_signals"]

_log = logging.getLogger(__name__)
_END_S = 10  # a run saves and ends its loaders within this


class NothingReadable(Exception):
    """None of the images can be read; torch makes it anew from its text in the run's process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The images that crops are made of, in every epoch.

    Attributes:
        samples: The images.
        how: How validation reads them; crops are fitted, and have channels and bits, as it says.
        teacher_logits: A teacher's logits, a row for each image.
        warned: Which images there was a warning of, bool, ``(images,)``. It is updated, and tells
            the other epochs and loader processes if they share it.
        classes: How many classes there are, if any number of them may be right; else 0.
        boxed: The images and their boxes, where a detector is trained; else ``None``.
    """

    samples: tuple[Sample, ...]
    how: Preprocess
    teacher_logits: TeacherLogits | None = None
    warned: Tensor
    classes: int = 0
    boxed: Boxed | None = None


class Crops(Dataset[tuple[Any, ...]]):
    """Random crops with their labels and, where they are stored, a teacher's logits.

    Item ``i`` of epoch ``e`` is the same in every process, every time. It shows the image with
    index ``i`` modulo the number of images (see ``number_repeats``).
    """

    def __init__(self, shown: Shown, recipe: Recipe, epoch: int) -> None:
        """Keep what the crops are made of, what happens to them, and the epoch's number, from 0."""
        self._shown, self._recipe, self._epoch = shown, recipe, epoch
        whole = dataclasses.replace(shown.how, mean_image="")  # which has one size; see Normalizer
        self._how = whole.cropped_to(recipe.px_at(epoch))

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return the crop of an image, or with a warning that of the next one that can be read.

        Returns:
            Pixels ``(h, w, channels)``, the label, and a teacher's logits, ``(classes,)``, where
            they are stored. The label of a multi-label set is float32 ``(classes,)``, 1 for each
            class that is right. For a detector, a view of the image and its boxes; see
            ``load_view``.

        Raises:
            NothingReadable: none of the images can be read.
        """
        recipe, shown = self._recipe, self._shown
        for other in range(len(shown.samples)):
            number = (index + other) % len(shown.samples)
            sample = shown.samples[number]
            rng = np.random.default_rng((recipe.seed, self._epoch, index))
            try:
                if shown.boxed is not None:
                    return load_view(shown.boxed, number, self._how, recipe, rng)
                area, mirror = recipe.smallest_area, recipe.mirror
                crop = load_crop(sample, self._how, area, rng, mirror=mirror)
                pixels = _augment(crop, recipe, rng)
            except (ImageError, DataError) as error:
                if not shown.warned[number]:  # every epoch would repeat it
                    shown.warned[number] = True
                    _log.warning("%s Another image takes its place.", error)
            else:
                label = _target(sample, shown.classes) if shown.classes else sample.label
                if shown.teacher_logits is None:
                    return pixels, label
                return pixels, label, np.asarray(shown.teacher_logits[number], np.float32)
        raise NothingReadable("none of the images can be read")


def _target(sample: Sample, classes: int) -> npt.NDArray[np.float32]:
    """Return 1 for each class that is right and 0 for the others, ``(classes,)``."""
    target = np.zeros(classes, np.float32)
    target[list(sample.labels)] = 1
    return target


def _augment(pixels: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Augment a crop as a recipe says; pixels ``(h, w, channels)`` to the same."""
    if not (recipe.trivial or recipe.randaugment or recipe.erasing):
        return pixels
    values = pixels.numpy()
    if recipe.trivial:
        values = trivial_augment(values, rng)
    if recipe.randaugment:
        values = rand_augment(values, recipe.randaugment, recipe.magnitude, rng)
    if recipe.erasing:
        values = random_erase(values, recipe.erasing, rng)
    return torch.from_numpy(np.array(values))


class Share(NamedTuple):
    """The share of every batch that one of several processes computes."""

    process: int = 0  # its number, from 0
    processes: int = 1  # how many there are


class Batches:
    """The batches of one epoch from number ``first`` on; a last short batch is left out.

    Of several processes each has its share of every batch, so that together they compute the
    batches that one process would.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        recipe: Recipe,
        epoch: int,
        first: int,
        share: Share = Share(),  # noqa: B008  # it cannot be changed
    ) -> None:
        order = epoch_order(samples, recipe, epoch)
        size = min(recipe.batch_size, len(order) // share.processes * share.processes)
        whole = order[: len(order) // size * size].reshape(-1, size)[first:]
        own = whole[:, share.process :: share.processes]
        # Neighbors are mixed, and an image should not be mixed with itself.
        self._batches = own[:, separate_repeats(own.shape[1], recipe.repeats)]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches.tolist())

    def __len__(self) -> int:
        return len(self._batches)


def ignore_signals(worker: int) -> None:
    """Ignore Ctrl-C in a loader process, and SIGTERM for a while.

    Both reach all processes of a terminal or a job. The run ends its loader processes itself once
    it has saved; if one ended before, the run would fail. A loader that the run could not end gets
    SIGTERM when the run's process exits, which then waits for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_later)


def _end_later(number: int, frame: FrameType | None) -> None:
    signal.alarm(_END_S)  # SIGALRM ends the process
