"""The training loop: steps, epochs, checkpoints."""

import dataclasses
import logging
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from shufflenet.errors import NoReadableImages, WriteError
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.networks import AnyNetwork, state_arrays
from shufflenet.spec import Accuracy, AnyAccuracy, DetectionAccuracy, MultiLabelAccuracy
from shufflenet.train._batch_memory import BatchTooLarge
from shufflenet.train._batches import (
    Batches,
    Crops,
    NothingReadable,
    Share,
    Shown,
    ignore_signals,
)
from shufflenet.train._describe import describe_end
from shufflenet.train._failures import FailedBatch, loss_not_finite, out_of_memory
from shufflenet.train._learner import Learner
from shufflenet.train._measure import measure_network, measured_card, percentages, score
from shufflenet.train._run import append_row
from shufflenet.train._session import Result, Session
from shufflenet.train._setup import Setup
from shufflenet.train._signals import HeldSignals
from shufflenet.train._state import Progress, save_state
from shufflenet.train._together import load_state_of_first
from shufflenet.train.detection import boxed, collate_views

__all__ = ["Loop"]

_log = logging.getLogger(__name__)
_BEST = "best.safetensors"
_Batch: TypeAlias = tuple[Tensor, ...]  # pixels, labels and, if stored, a teacher's logits


class Loop:
    """The training loop and its state between steps."""

    def __init__(self, fabric: Fabric, setup: Setup, session: Session) -> None:
        self.fabric, self.setup, self.session = fabric, setup, session
        self.recipe, self.out = setup.recipe, session.folder
        self.learner = Learner(fabric, setup, compiled=session.compiled)
        self.progress = Progress()
        if session.resume:
            self.progress = load_state_of_first(fabric, self.out, self.learner.parts)
        self.share = Share(fabric.global_rank, fabric.world_size)
        self.steps_per_epoch = len(self._batches(epoch=0, first=0))
        self.steps = self.steps_per_epoch * self.recipe.epochs
        self.first_step = self.progress.step
        self.started = self.saved = time.monotonic()
        self.waited_s = 0.0  # for images
        self.signals = HeldSignals()
        warned = torch.zeros(len(setup.training), dtype=torch.bool)
        if session.workers:
            warned.share_memory_()  # type: ignore[no-untyped-call]  # torch has no type of it
        self._shown = Shown(
            samples=setup.training.samples,
            how=setup.card.preprocess,
            teacher_logits=setup.teacher_logits,
            warned=warned,
            classes=len(setup.card.labels) if setup.card.task == "multi-label" else 0,
            boxed=boxed(setup.boxes.training) if setup.boxes else None,
        )

    def run(self) -> Result:
        """Train from where the run is to its end, or until its time is up.

        A signal that ends the process takes effect after the step, when everything is saved.

        Raises:
            WriteError: the disk is full.
        """
        try:
            with self._board() as board, self.signals.hold():
                if self._best_is_missing():
                    self._take_present_as_best()
                if self.setup.knows_classes and self.progress.best is None:
                    self._measure_start(board)
                if self.progress.images and self.progress.step % self.steps_per_epoch == 0:
                    self._finish_epoch(board)  # it was stopped between its last step and this
                while not self._is_done() and self._train_epoch():
                    self._finish_epoch(board)
        except OSError as error:  # TensorBoard's own files; ours raise WriteError
            raise WriteError(self.out, error.strerror or str(error)) from error
        self._report_end()
        return self._result()

    def _board(self) -> AbstractContextManager[SummaryWriter | None]:
        """Open TensorBoard's file in the first process; the others write none."""
        if not self.fabric.is_global_zero:
            return nullcontext()
        return SummaryWriter(str(self.out), purge_step=self.progress.step + 1)

    def _is_done(self) -> bool:
        return self.progress.step >= self.steps or self._has_stalled()

    def _has_stalled(self) -> bool:
        """Return whether so many epochs at the last size brought no gain that the run ends."""
        progress, recipe = self.progress, self.recipe
        since = max(progress.best_epoch, recipe.epochs_at_other_sizes, progress.watched_from)
        epochs = progress.step // self.steps_per_epoch
        return 0 < recipe.patience <= epochs - since and progress.best is not None

    def watch_from_here(self) -> None:
        """Count epochs without gain from here on only."""
        self.progress.watched_from = self.progress.step // self.steps_per_epoch

    def _train_epoch(self) -> bool:
        """Do the steps that are left of an epoch; return False if it was stopped before its end."""
        epoch, first = divmod(self.progress.step, self.steps_per_epoch)
        if any(self._any_process(self._time_is_up())):
            return False
        self.learner.model.train()
        for batch in self._count_waiting(self.loader(epoch, first)):
            self._step(batch)
            time_is_up, stopped = self._any_process(self._time_is_up(), self.signals.received)
            due = time.monotonic() - self.saved >= self.session.save_every_s
            if due or time_is_up or stopped:
                self._save()
            if stopped:
                self.signals.deliver()
            if self.progress.step % self.steps_per_epoch == 0:
                return True
            if time_is_up or stopped:
                return False
        return True

    def _any_process(self, *wishes: bool) -> list[bool]:
        """Return which wishes are true in any process, so that all processes do the same."""
        if self.fabric.world_size == 1:
            return list(wishes)
        votes = torch.tensor(wishes, dtype=torch.float32, device=self.fabric.device)
        return [bool(v) for v in torch.as_tensor(self.fabric.all_reduce(votes, reduce_op="sum"))]

    def _count_waiting(self, batches: Iterable[_Batch]) -> Iterator[_Batch]:
        """Yield the batches and count the time they are waited for, except for the first."""
        since = None
        for batch in batches:
            self.waited_s += time.monotonic() - since if since else 0.0
            yield batch
            since = time.monotonic()

    def _batches(self, epoch: int, first: int) -> Batches:
        return Batches(self.setup.training.samples, self.recipe, epoch, first, self.share)

    def loader(self, epoch: int, first: int) -> Iterable[_Batch]:
        """Return the batches of an epoch from number ``first`` on, as ``Learner.step`` takes them.

        They are pixels, uint8 or uint16 ``(n, h, w, channels)``, labels as ``Crops`` has
        them, or boxes as ``collate_views`` has them, and the stored logits of a teacher,
        ``(n, classes)``, if there are any.
        """
        loader = DataLoader(
            Crops(self._shown, self.recipe, epoch),
            batch_sampler=self._batches(epoch, first),
            num_workers=self.session.workers,
            collate_fn=collate_views if self._shown.boxed else None,
            worker_init_fn=ignore_signals,
        )
        batches = self.fabric.setup_dataloaders(loader, use_distributed_sampler=False)
        return self._readable(cast(Iterable[_Batch], batches))

    def _readable(self, batches: Iterable[_Batch]) -> Iterator[_Batch]:
        """Yield batches.

        Raises:
            NoReadableImages: none of the images can be read any more.
        """
        try:
            yield from batches
        except NothingReadable as error:
            error.__traceback__ = None  # part of a cycle, which would keep the loader processes
            raise NoReadableImages(self.setup.training.source) from error

    def _step(self, batch: _Batch) -> None:
        progress = self.progress
        rate = self.recipe.learning_rate_at(progress.step, self.steps)
        images = len(batch[0]) * self.fabric.world_size
        try:
            loss = self.learner.step(*batch, number=progress.step, rate=rate)
        except BatchTooLarge as error:
            failed = FailedBatch(
                device=self.fabric.device,
                step=progress.step,
                images=images,
                size=(batch[0].shape[1], batch[0].shape[2]),
                accumulate=self.recipe.accumulate,
                parts=error.parts,
            )
            raise out_of_memory(self.out, failed) from error
        if not math.isfinite(loss):
            if not self.fabric.is_global_zero:
                raise SystemExit(1)  # the first process reports it
            raise loss_not_finite(self.out, loss, progress.step, rate)
        progress.step += 1
        progress.loss += loss * images
        progress.images += images
        if self.fabric.is_global_zero:
            self.session.on_step(progress.step, self.steps, loss)

    def _finish_epoch(self, board: SummaryWriter | None) -> None:
        """Measure the network, record the epoch, write the network if it is the best, and save."""
        progress = self.progress
        epoch = progress.step // self.steps_per_epoch
        loss = progress.loss / progress.images
        progress.loss, progress.images = 0.0, 0
        self._record(board, epoch, loss)
        self._save()
        self.signals.deliver()

    def _measure_start(self, board: SummaryWriter | None) -> None:
        """Measure the network before it is trained, as epoch 0: no later one may be better."""
        self._record(board, 0, None)
        self.signals.deliver()

    def _best_is_missing(self) -> bool:
        """Return whether the run had a best network whose file is gone from the first's folder."""
        had_one = self.progress.best is not None and self.fabric.is_global_zero
        return any(self._any_process(had_one and not (self.out / _BEST).exists()))

    def _take_present_as_best(self) -> None:
        """Write the network of the checkpoint as the best: it is the only one that is left."""
        progress = self.progress
        _log.warning(
            "%s is missing from %s: the network of the last checkpoint, step %d, takes its place.",
            *(_BEST, self.out, progress.step),
        )
        net = self.learner.network()
        progress.best = measure_network(net, self.setup, self.fabric)
        progress.best_epoch = progress.step // self.steps_per_epoch
        self._save()
        if self.fabric.is_global_zero:
            self._write_best(net, progress.best)

    def _record(self, board: SummaryWriter | None, epoch: int, loss: float | None) -> None:
        """Measure the network, record the epoch, write the network if it is the best so far."""
        progress = self.progress
        net = self.learner.network()
        accuracy = measure_network(net, self.setup, self.fabric)
        row = {
            "epoch": epoch,
            "step": progress.step,
            "loss": loss,
            "learning_rate": self.recipe.learning_rate_at(max(0, progress.step - 1), self.steps),
            "train_px": self.recipe.px_at(max(0, epoch - 1)),
            **dataclasses.asdict(accuracy),
        }
        is_best = _is_better(accuracy, progress)
        if is_best:
            progress.best, progress.best_epoch = accuracy, epoch
        if board is not None:
            append_row(self.out / "metrics.jsonl", row)
            _write_scalars(board, row, accuracy)
            if is_best:
                self._write_best(net, accuracy)
            self.session.on_epoch(self.out, accuracy)

    def _write_best(self, net: AnyNetwork, accuracy: AnyAccuracy) -> None:
        card = self.setup.card
        origin = dataclasses.replace(card.origin, steps=self.progress.step)
        card = measured_card(dataclasses.replace(card, origin=origin), accuracy)
        write_checkpoint(self.out / _BEST, Checkpoint(card, state_arrays(net)))

    def _report_end(self) -> None:
        progress, patience = self.progress, self.recipe.patience
        if progress.step < self.steps and self._has_stalled():
            _log.info(
                "Stopped after epoch %d of %d: no gain in %d epochs; best epoch %d.",
                *(progress.step // self.steps_per_epoch, self.recipe.epochs),
                *(patience, progress.best_epoch),
            )
        if progress.best and progress.best_epoch == 0:
            _log.info("No epoch was better than the network before it was trained: it is kept.")
        if progress.step > self.first_step:
            _log.info("%s", describe_end(time.monotonic() - self.started, self.waited_s))

    def _time_is_up(self) -> bool:
        return time.monotonic() - self.started >= self.session.stop_after_s

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            save_state(self.out, self.learner.parts, self.progress)
        self.saved = time.monotonic()

    def _result(self) -> Result:
        best = self.progress.best
        return Result(
            run=str(self.out),
            best=str(self.out / _BEST) if best else None,
            images=best.images if best else 0,
            top1=best.top1 if isinstance(best, Accuracy) else 0,
            top5=best.top5 if isinstance(best, Accuracy) else 0,
            multi_label=best if isinstance(best, MultiLabelAccuracy) else None,
            detection=best if isinstance(best, DetectionAccuracy) else None,
            steps=self.progress.step,
            finished=self._is_done(),
        )


def _is_better(accuracy: AnyAccuracy, progress: Progress) -> bool:
    """Return whether an epoch is the best so far: of equal ones the later, but not the start's."""
    if progress.best is None or score(accuracy) > score(progress.best):
        return True
    return score(accuracy) == score(progress.best) and progress.best_epoch > 0


def _write_scalars(board: SummaryWriter, row: dict[str, Any], accuracy: AnyAccuracy) -> None:
    for name in ("loss", "learning_rate"):
        if row[name] is None:
            continue
        board.add_scalar(f"train/{name}", row[name], row["step"])
    for name, percent in percentages(accuracy).items():
        board.add_scalar(f"val/{name}", percent, row["step"])
    board.flush()
