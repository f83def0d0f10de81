"""The images of an epoch, cropped and in batches, as functions of seed and epoch."""

import logging
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from shufflenet.data import Sample
from shufflenet.errors import DataError, ImageError
from shufflenet.recipes import Recipe
from shufflenet.train._crops import cropped
from shufflenet.train._order import apart, epoch_order
from shufflenet.train._teacher import Answers
from shufflenet.train.augment import erased, randomly_changed, trivially_changed

__all__ = ["Batches", "Crops", "leave_signals"]

_log = logging.getLogger(__name__)


class Crops(Dataset[tuple[Any, ...]]):
    """Random crops, labels and, where some are stored, a teacher's answers.

    Item ``i`` of epoch ``e`` is the same in every process, every time.

    Item ``i`` shows image ``i`` modulo their number, as ``told_apart`` has it.
    """

    def __init__(
        self,
        samples: tuple[Sample, ...],
        recipe: Recipe,
        epoch: int,
        answers: Answers | None = None,
    ) -> None:
        self._samples, self._recipe, self._epoch = samples, recipe, epoch
        self._answers = answers

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Crop an image, or the next that can be read; what cannot costs a warning, not the run.

        Raises:
            DataError: none of the images can be read.
        """
        recipe, size = self._recipe, self._recipe.px_at(self._epoch)
        for other in range(len(self._samples)):
            number = (index + other) % len(self._samples)
            sample = self._samples[number]
            rng = np.random.default_rng((recipe.seed, self._epoch, index))
            try:
                pixels = _changed(cropped(sample, size, recipe.smallest_area, rng), recipe, rng)
            except (ImageError, DataError) as error:
                _log.warning("%s Another image takes its place.", error)
            else:
                if self._answers is None:
                    return pixels, sample.label
                return pixels, sample.label, np.asarray(self._answers[number], np.float32)
        raise DataError(self._samples[0].path, "holds no image that can be read", "Mend it.")


def _changed(pixels: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Change what a crop shows as a recipe says; ``(h, w, 3)``, 0..255, to the same."""
    if not (recipe.trivial or recipe.randaugment or recipe.erasing):
        return pixels
    values = pixels.numpy()
    if recipe.trivial:
        values = trivially_changed(values, rng)
    if recipe.randaugment:
        values = randomly_changed(values, recipe.randaugment, recipe.magnitude, rng)
    if recipe.erasing:
        values = erased(values, recipe.erasing, rng)
    return torch.from_numpy(np.array(values))


class Batches:
    """The batches of one epoch from a given step on, as items; a last short batch is left out.

    Of several processes each has its share of every batch, so that together they compute the
    batches that one alone would.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        recipe: Recipe,
        epoch: int,
        first: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        order = epoch_order(samples, recipe, epoch)
        size = min(recipe.batch_size, len(order) // processes * processes)
        whole = order[: len(order) // size * size].reshape(-1, size)[first:]
        own = whole[:, process::processes]
        # Neighbours are mixed, and an image should not be mixed with itself.
        self._batches = own[:, apart(own.shape[1], recipe.repeats)]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches.tolist())

    def __len__(self) -> int:
        return len(self._batches)


def leave_signals(worker: int) -> None:
    """Let a worker ignore Ctrl-C and SIGTERM, which reach all processes of a terminal or a job.

    The run ends its workers itself, once it has saved; one that went first would take it along.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
