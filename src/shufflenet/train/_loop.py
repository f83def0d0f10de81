"""The training loop."""

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from shufflenet.data import ImageSet
from shufflenet.errors import WriteError
from shufflenet.evaluate import evaluate
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.machine import cores
from shufflenet.networks import ShuffleNet, state_arrays
from shufflenet.recipes import Recipe
from shufflenet.runtimes._torch import TorchClassifier
from shufflenet.spec import Accuracy, Card
from shufflenet.train._batches import Batches, Crops, leave_signals
from shufflenet.train._devices import added, shard
from shufflenet.train._failures import not_finite, too_large
from shufflenet.train._learner import Learner
from shufflenet.train._memory import TooLarge
from shufflenet.train._run import Progress, append_row, load_state, save_state
from shufflenet.train._stop import StopRequest
from shufflenet.train._teacher import Answers, Teacher

__all__ = ["Loop", "Result", "Session"]

_log = logging.getLogger(__name__)
_Batch: TypeAlias = tuple[Tensor, ...]  # pixels, labels and, if stored, a teacher's answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How a run is carried out; on the CPU in 32 bits none of it has a part in what comes of it."""

    out: Path
    resume: bool = False
    workers: int = field(default_factory=lambda: min(cores(), 16))
    accelerator: str = "auto"  # Fabric's names: cpu, cuda, mps, auto
    precision: str = "32-true"  # Fabric's names: 32-true, bf16-mixed
    devices: int = 1  # of a node; each gets its share of every batch
    nodes: int = 1
    compiled: bool = False
    save_every_s: float = 60.0
    stop_after_s: float = math.inf  # save and stop then; resume goes on
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None
    on_epoch: Callable[[Path], None] = lambda run: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run has come to; ``best`` is none until the first epoch is done."""

    run: str
    best: str | None
    images: int
    top1: int
    top5: int
    steps: int
    finished: bool


class Loop:
    """The training loop and what it holds between steps."""

    def __init__(
        self,
        fabric: Fabric,
        net: ShuffleNet,
        card: Card,
        training: ImageSet,
        validation: ImageSet,
        recipe: Recipe,
        session: Session,
        teacher: Teacher | Answers | None = None,
    ) -> None:
        self.fabric, self.card, self.recipe, self.session = fabric, card, recipe, session
        self.training, self.validation = training, validation
        asked: Teacher | None = None
        self.answers: Answers | None = None
        if isinstance(teacher, np.ndarray):
            self.answers = teacher
        else:
            asked = teacher
        self.learner = Learner(
            fabric, net, card.preprocess, recipe, asked, compiled=session.compiled
        )
        self.progress = Progress()
        if session.resume:
            self.progress = load_state(session.out, self.learner.parts)
        self.steps_per_epoch = len(
            Batches(training.samples, recipe, epoch=0, first=0, processes=fabric.world_size)
        )
        self.steps = self.steps_per_epoch * recipe.epochs
        self.started = self.saved = time.monotonic()
        self.waited_s = 0.0  # for images
        self.stop = StopRequest()

    def run(self) -> Result:
        """Go on from where the run stands to its end, or until its time is up.

        A signal that ends the process is heeded after the step, when all is saved.

        Raises:
            WriteError: the disk is full.
        """
        out = self.session.out
        try:
            with self._board() as board, self.stop.watched():
                if self.progress.images and self.progress.step % self.steps_per_epoch == 0:
                    self._finish_epoch(board)  # it was stopped between its last step and this
                while not self._done() and self._epoch():
                    self._finish_epoch(board)
        except OSError as error:  # TensorBoard's own files; ours raise WriteError
            raise WriteError(out, error.strerror or str(error)) from error
        self._report_waiting()
        return self._result()

    def _board(self) -> AbstractContextManager[SummaryWriter | None]:
        """Open TensorBoard's file, in one process of those there are."""
        if not self.fabric.is_global_zero:
            return nullcontext()
        return SummaryWriter(str(self.session.out), purge_step=self.progress.step + 1)

    def _done(self) -> bool:
        progress, recipe = self.progress, self.recipe
        epochs = progress.step // self.steps_per_epoch
        if progress.step >= self.steps:
            return True
        since = max(progress.best_epoch, recipe.epochs_at_other_sizes)
        return 0 < recipe.patience <= epochs - since and progress.best is not None

    def _epoch(self) -> bool:
        """Do the steps that are left of an epoch; false if time was up before they were done."""
        epoch, first = divmod(self.progress.step, self.steps_per_epoch)
        if any(self._agreed(self._time_is_up())):
            return False
        self.learner.model.train()
        for batch in self._timed(self.loader(epoch, first)):
            self._step(batch)
            time_is_up, stopped = self._agreed(self._time_is_up(), self.stop.made)
            due = time.monotonic() - self.saved >= self.session.save_every_s
            if due or time_is_up or stopped:
                self._save()
            if stopped:
                self.stop.heed()
            if self.progress.step % self.steps_per_epoch == 0:
                return True
            if time_is_up or stopped:
                return False
        return True

    def _agreed(self, *wishes: bool) -> list[bool]:
        """Say which of these wishes any process has, so that all do the same."""
        if self.fabric.world_size == 1:
            return list(wishes)
        voices = torch.tensor(wishes, dtype=torch.float32, device=self.fabric.device)
        return [bool(v) for v in torch.as_tensor(self.fabric.all_reduce(voices, reduce_op="sum"))]

    def _timed(self, batches: Iterable[_Batch]) -> Iterator[_Batch]:
        """Hand batches on and count how long they are waited for, but for the first."""
        asked = None
        for batch in batches:
            self.waited_s += time.monotonic() - asked if asked else 0.0
            yield batch
            asked = time.monotonic()

    def loader(self, epoch: int, first: int) -> Iterable[_Batch]:
        """Give the batches of an epoch, from one on; see ``Learner.step`` for what they are."""
        loader = DataLoader(
            Crops(self.training.samples, self.recipe, epoch, self.answers),
            batch_sampler=Batches(
                self.training.samples,
                self.recipe,
                epoch,
                first,
                self.fabric.global_rank,
                self.fabric.world_size,
            ),
            num_workers=self.session.workers,
            worker_init_fn=leave_signals,
        )
        return cast(
            Iterable[_Batch],
            self.fabric.setup_dataloaders(loader, use_distributed_sampler=False),
        )

    def _step(self, batch: _Batch) -> None:
        progress, out = self.progress, self.session.out
        rate = self.recipe.learning_rate_at(progress.step, self.steps)
        images = len(batch[0]) * self.fabric.world_size
        try:
            value = self.learner.step(*batch, number=progress.step, rate=rate)
        except TooLarge as error:
            raise too_large(
                out,
                self.fabric.device,
                self.recipe.accumulate,
                progress.step,
                (images, batch[0].shape[1]),
                error.parts,
            ) from error
        if not math.isfinite(value):
            if not self.fabric.is_global_zero:
                raise SystemExit(1)  # the first process tells
            raise not_finite(out, value, progress.step, rate)
        progress.step += 1
        progress.loss += value * images
        progress.images += images
        if self.fabric.is_global_zero:
            self.session.on_step(progress.step, self.steps, value)

    def _finish_epoch(self, board: SummaryWriter | None) -> None:
        """Measure, record, keep the network if it is the best so far, and save."""
        progress, out = self.progress, self.session.out
        epoch = progress.step // self.steps_per_epoch
        net = self.learner.network()
        part = shard(self.validation, self.fabric)
        accuracy = added(evaluate(TorchClassifier(net, self.card), part), self.fabric)
        row = {
            "epoch": epoch,
            "step": progress.step,
            "loss": progress.loss / progress.images,
            "learning_rate": self.recipe.learning_rate_at(progress.step - 1, self.steps),
            "train_px": self.recipe.px_at(epoch - 1),
            **dataclasses.asdict(accuracy),
        }
        best = progress.best is None or accuracy.top1 >= progress.best.top1
        if best:
            progress.best, progress.best_epoch = accuracy, epoch
        progress.loss, progress.images = 0.0, 0
        if board is not None:
            append_row(out / "metrics.jsonl", row)
            _draw(board, row, accuracy)
            if best:
                origin = dataclasses.replace(self.card.origin, steps=progress.step)
                card = dataclasses.replace(self.card, accuracy=accuracy, origin=origin)
                write_checkpoint(out / "best.safetensors", Checkpoint(card, state_arrays(net)))
            self.session.on_epoch(out)
        self._save()
        self.stop.heed()

    def _report_waiting(self) -> None:
        took = time.monotonic() - self.started
        _log.info(
            "Of %.0f s, %.1f %% went by waiting for images.", took, 100 * self.waited_s / took
        )

    def _time_is_up(self) -> bool:
        return time.monotonic() - self.started >= self.session.stop_after_s

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            save_state(self.session.out, self.learner.parts, self.progress)
        self.saved = time.monotonic()

    def _result(self) -> Result:
        best = self.progress.best
        return Result(
            run=str(self.session.out),
            best=str(self.session.out / "best.safetensors") if best else None,
            images=best.images if best else 0,
            top1=best.top1 if best else 0,
            top5=best.top5 if best else 0,
            steps=self.progress.step,
            finished=self._done(),
        )


def _draw(board: SummaryWriter, row: dict[str, Any], accuracy: Accuracy) -> None:
    for name in ("loss", "learning_rate"):
        board.add_scalar(f"train/{name}", row[name], row["step"])
    board.add_scalar("val/top1_percent", accuracy.top1_percent, row["step"])
    board.add_scalar("val/top5_percent", accuracy.top5_percent, row["step"])
    board.flush()
