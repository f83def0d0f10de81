"""The training loop."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from shufflenet.checkpoint import Checkpoint, write_checkpoint
from shufflenet.data import ImageSet
from shufflenet.engine import cores
from shufflenet.errors import RunError, SpecError, WriteError
from shufflenet.evaluate import evaluate
from shufflenet.models import TorchClassifier, state_arrays
from shufflenet.recipes import Recipe
from shufflenet.spec import Card
from shufflenet.train._batches import Batches, Crops, leave_interrupts
from shufflenet.train._run import Progress, append_row, load_state, save_state
from shufflenet.trunk import ShuffleNet

__all__ = ["Loop", "Result", "Session", "fabric_for", "parameter_groups"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How a run is carried out; on the CPU in 32 bits none of it has a part in what comes of it."""

    out: Path
    resume: bool = False
    workers: int = field(default_factory=lambda: min(cores(), 16))
    accelerator: str = "auto"  # Fabric's names: cpu, cuda, mps, auto
    precision: str = "32-true"  # Fabric's names: 32-true, bf16-mixed
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
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self.card, self.recipe, self.session = card, recipe, session
        self.training, self.validation = training, validation
        self.fabric = fabric
        optimizer = torch.optim.SGD(
            parameter_groups(net, recipe), lr=0.0, momentum=recipe.momentum, nesterov=True
        )
        self.progress = Progress()
        if session.resume:
            self.progress = load_state(session.out, net, optimizer)
        model = torch.compile(net, dynamic=False) if session.compiled else net
        self.model, self.optimizer = self.fabric.setup(model, optimizer)  # type: ignore[arg-type]  # compile gives a module
        how = card.preprocess
        grey_levels = 255 / how.value_range  # means and deviations are of values in that range
        self.mean = torch.tensor(how.mean, device=self.fabric.device).view(3, 1, 1) * grey_levels
        self.std = torch.tensor(how.std, device=self.fabric.device).view(3, 1, 1) * grey_levels
        self.bgr = how.channels == "bgr"
        self.steps_per_epoch = len(training) // min(recipe.batch_size, len(training))
        self.steps = self.steps_per_epoch * recipe.epochs
        self.started = self.saved = time.monotonic()

    def run(self) -> Result:
        """Go on from where the run stands to its end, or until its time is up.

        Raises:
            WriteError: the disk is full.
        """
        out = self.session.out
        try:
            with SummaryWriter(str(out), purge_step=self.progress.step + 1) as board:
                while self.progress.step < self.steps and self._epoch():
                    self._finish_epoch(board)
        except OSError as error:  # TensorBoard's own files; ours raise WriteError
            raise WriteError(out, error.strerror or str(error)) from error
        return self._result()

    def _epoch(self) -> bool:
        """Do the steps that are left of an epoch; false if time was up before they were done."""
        epoch, first = divmod(self.progress.step, self.steps_per_epoch)
        if self._time_is_up():
            return False
        self.model.train()
        for pixels, labels in self._loader(epoch, first):
            self._step(pixels, labels)
            if self.progress.step % self.steps_per_epoch == 0:
                return True  # the checkpoint is written with the epoch's accuracy
            if time.monotonic() - self.saved >= self.session.save_every_s or self._time_is_up():
                self._save()
            if self._time_is_up():
                return False
        return True

    def _loader(self, epoch: int, first: int) -> Iterable[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            Crops(self.training.samples, self.recipe, epoch),
            batch_sampler=Batches(len(self.training), self.recipe, epoch, first),
            num_workers=self.session.workers,
            worker_init_fn=leave_interrupts,
        )
        return cast(
            Iterable[tuple[Tensor, Tensor]],
            self.fabric.setup_dataloaders(loader, use_distributed_sampler=False),
        )

    def _step(self, pixels: Tensor, labels: Tensor) -> None:
        progress = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(progress.step, self.steps)
        pixels = pixels.flip(3) if self.bgr else pixels
        x = (pixels.permute(0, 3, 1, 2) - self.mean) / self.std  # (n, 3, h, w), channels last
        smoothing = self.recipe.label_smoothing
        loss = nn.functional.cross_entropy(self.model(x), labels, label_smoothing=smoothing)
        if not math.isfinite(value := loss.item()):
            raise RunError(
                self.session.out,
                f"met a loss of {value} at step {progress.step}",
                "Its last checkpoint is whole; train anew with a lower --learning-rate.",
            )
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        progress.step += 1
        progress.loss += value * len(labels)
        progress.images += len(labels)
        self.session.on_step(progress.step, self.steps, value)

    def _finish_epoch(self, board: SummaryWriter) -> None:
        """Measure, record, keep the network if it is the best so far, and save."""
        progress, out = self.progress, self.session.out
        accuracy = evaluate(TorchClassifier(self.net, self.card), self.validation)
        row = {
            "epoch": progress.step // self.steps_per_epoch,
            "step": progress.step,
            "loss": progress.loss / progress.images,
            "learning_rate": self.recipe.learning_rate_at(progress.step - 1, self.steps),
            "train_px": self.recipe.px_at((progress.step - 1) // self.steps_per_epoch),
            **dataclasses.asdict(accuracy),
        }
        append_row(out / "metrics.jsonl", row)
        for name in ("loss", "learning_rate"):
            board.add_scalar(f"train/{name}", row[name], progress.step)
        board.add_scalar("val/top1_percent", accuracy.top1_percent, progress.step)
        board.add_scalar("val/top5_percent", accuracy.top5_percent, progress.step)
        board.flush()
        if progress.best is None or accuracy.top1 >= progress.best.top1:
            progress.best = accuracy
            origin = dataclasses.replace(self.card.origin, steps=progress.step)
            card = dataclasses.replace(self.card, accuracy=accuracy, origin=origin)
            write_checkpoint(out / "best.safetensors", Checkpoint(card, state_arrays(self.net)))
        progress.loss, progress.images = 0.0, 0
        self.session.on_epoch(out)
        self._save()

    def _time_is_up(self) -> bool:
        return time.monotonic() - self.started >= self.session.stop_after_s

    def _save(self) -> None:
        save_state(self.session.out, self.net, self.optimizer, self.progress)
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
            finished=self.progress.step >= self.steps,
        )


def fabric_for(session: Session) -> Fabric:
    """Choose the device and the precision.

    Raises:
        SpecError: this machine has no such thing.
    """
    try:
        return Fabric(
            accelerator=session.accelerator,
            devices=1,
            precision=session.precision,  # type: ignore[arg-type]  # Fabric refuses unknown names itself
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise SpecError(
            "accelerator and precision",
            f"{session.accelerator}, {session.precision}",
            f"something this machine has ({str(error).splitlines()[0].rstrip('.')})",
        ) from error


def parameter_groups(net: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Decay what multiplies (convolutions, the classifier), not norms and biases."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
