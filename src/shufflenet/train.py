"""Training: the loop, and the run it leaves; devices and precision are Fabric's.

Everything random is a function of (seed, epoch, index of the image), so a run is the same
whatever the number of workers, and one that was killed goes on exactly as if it had not been.
"""

import dataclasses
import hashlib
import io
import json
import logging
import math
import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter

from shufflenet.augment import random_crop_and_flip
from shufflenet.checkpoint import Checkpoint, write_atomic, write_checkpoint
from shufflenet.data import ImageSet, Sample
from shufflenet.errors import DataError, ImageError, RunError
from shufflenet.evaluate import evaluate
from shufflenet.models import TorchClassifier, state_arrays
from shufflenet.preprocess import decode
from shufflenet.recipes import Recipe
from shufflenet.spec import Accuracy, Card
from shufflenet.v2 import ShuffleNetV2

__all__ = ["Result", "Session", "train"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How a run is carried out, which has no part in what comes of it."""

    out: Path
    resume: bool = False
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, 16))
    accelerator: str = "auto"  # Fabric's names: cpu, cuda, mps, auto
    precision: str = "32-true"  # Fabric's names: 32-true, bf16-mixed, 16-mixed
    compiled: bool = False
    save_every_s: float = 60.0
    stop_after_s: float = math.inf  # save and stop then; resume goes on
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None
    on_epoch: Callable[[Path], None] = lambda run: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run has come to."""

    run: str
    best: str
    images: int
    top1: int
    top5: int
    steps: int
    finished: bool


class _Crops(Dataset[tuple[Tensor, int]]):
    """Random crops: item ``i`` of epoch ``e`` is the same in every process, every time."""

    def __init__(self, samples: tuple[Sample, ...], recipe: Recipe, epoch: int) -> None:
        self._samples, self._recipe, self._epoch = samples, recipe, epoch

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        recipe = self._recipe
        rng = np.random.default_rng((recipe.seed, self._epoch, index))
        sample = self._samples[index]
        try:
            image = decode(sample.read(), sample.name)
        except ImageError as error:
            _log.warning("%s Another image takes its place.", error)
            return self[(index + 1) % len(self._samples)]
        size = recipe.px_at(self._epoch)
        pixels = random_crop_and_flip(image, size, recipe.smallest_area, rng)
        return torch.from_numpy(np.array(pixels)), sample.label


class _Batches:
    """The batches of one epoch from a given step on; a last short batch is left out."""

    def __init__(self, images: int, recipe: Recipe, epoch: int, first: int) -> None:
        order = np.random.default_rng((recipe.seed, epoch)).permutation(images)
        size = min(recipe.batch_size, images)
        self._batches = order[: images // size * size].reshape(-1, size)[first:]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches.tolist())

    def __len__(self) -> int:
        return len(self._batches)


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    loss: float = 0.0  # summed over the images of the epoch so far
    images: int = 0  # of the epoch so far
    best: Accuracy = field(default_factory=lambda: Accuracy(images=0, top1=-1, top5=-1))


def train(
    net: ShuffleNetV2,
    card: Card,
    training: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    session: Session,
) -> Result:
    """Train a network and leave a run in ``session.out``.

    The folder holds ``run.json`` (network, recipe and data), ``last.pt`` (all that resuming
    needs), ``metrics.jsonl`` (a line an epoch), ``best.safetensors`` (the network of the best
    epoch so far, with its card), and TensorBoard's events.

    Args:
        net: The network, with random or given weights.
        card: Its card without accuracy; labels in the order of class indices.
        training: Images to train on.
        validation: Images to choose the best epoch by; labels numbered as in ``training``.
        recipe: What to do.
        session: How to do it.

    Raises:
        DataError: the data do not suffice.
        RunError: the folder holds another run, cannot be resumed, or the loss is not finite.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    _check_data(training, validation)
    _open_run(session, _facts(net, recipe, training, validation))
    return _Loop(net, card, training, validation, recipe, session).run()


class _Loop:
    """The training loop and what it holds between steps."""

    def __init__(
        self,
        net: ShuffleNetV2,
        card: Card,
        training: ImageSet,
        validation: ImageSet,
        recipe: Recipe,
        session: Session,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self.card, self.recipe, self.session = card, recipe, session
        self.training, self.validation = training, validation
        self.fabric = Fabric(
            accelerator=session.accelerator,
            devices=1,
            precision=session.precision,  # type: ignore[arg-type]  # Fabric refuses unknown names itself
        )
        optimizer = torch.optim.SGD(
            _parameter_groups(net, recipe), lr=0.0, momentum=recipe.momentum, nesterov=True
        )
        self.progress = _Progress()
        if session.resume:
            self.progress = _load_state(session.out, net, optimizer)
        model = torch.compile(net, dynamic=False) if session.compiled else net
        self.model, self.optimizer = self.fabric.setup(model, optimizer)  # type: ignore[arg-type]  # compile gives a module
        how = card.preprocess
        self.mean = torch.tensor(how.mean, device=self.fabric.device).view(3, 1, 1) * 255
        self.std = torch.tensor(how.std, device=self.fabric.device).view(3, 1, 1) * 255
        self.steps_per_epoch = len(training) // min(recipe.batch_size, len(training))
        self.steps = self.steps_per_epoch * recipe.epochs
        self.started = self.saved = time.monotonic()

    def run(self) -> Result:
        """Go on from where the run stands to its end, or until its time is up."""
        with SummaryWriter(str(self.session.out), purge_step=self.progress.step) as board:
            while self.progress.step < self.steps and self._epoch():
                self._finish_epoch(board)
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
            _Crops(self.training.samples, self.recipe, epoch),
            batch_sampler=_Batches(len(self.training), self.recipe, epoch, first),
            num_workers=self.session.workers,
        )
        return cast(
            Iterable[tuple[Tensor, Tensor]],
            self.fabric.setup_dataloaders(loader, use_distributed_sampler=False),
        )

    def _step(self, pixels: Tensor, labels: Tensor) -> None:
        progress = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(progress.step, self.steps)
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
        _append_row(out / "metrics.jsonl", row)
        for name in ("loss", "learning_rate"):
            board.add_scalar(f"train/{name}", row[name], progress.step)
        board.add_scalar("val/top1_percent", accuracy.top1_percent, progress.step)
        board.add_scalar("val/top5_percent", accuracy.top5_percent, progress.step)
        if accuracy.top1 >= progress.best.top1:
            progress.best = accuracy
            origin = dataclasses.replace(self.card.origin, steps=progress.step)
            card = dataclasses.replace(self.card, accuracy=accuracy, origin=origin)
            write_checkpoint(out / "best.safetensors", Checkpoint(card, state_arrays(self.net)))
        progress.loss, progress.images = 0.0, 0
        self._save()
        self.session.on_epoch(out)

    def _time_is_up(self) -> bool:
        return time.monotonic() - self.started >= self.session.stop_after_s

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": dataclasses.asdict(self.progress),
        }
        torch.save(state, buffer)
        write_atomic(self.session.out / "last.pt", buffer.getvalue())
        self.saved = time.monotonic()

    def _result(self) -> Result:
        best = self.progress.best
        return Result(
            run=str(self.session.out),
            best=str(self.session.out / "best.safetensors"),
            images=best.images,
            top1=max(best.top1, 0),
            top5=max(best.top5, 0),
            steps=self.progress.step,
            finished=self.progress.step >= self.steps,
        )


def _load_state(out: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> _Progress:
    path = out / "last.pt"
    if not path.exists():
        return _Progress()  # killed before the first checkpoint: the start is where it stands
    try:
        state = torch.load(path, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        best = Accuracy(**state["progress"].pop("best"))
        return _Progress(**state["progress"], best=best)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise RunError(
            out,
            f"has a damaged checkpoint, {path.name} ({str(error).splitlines()[0]})",
            "Its best.safetensors can still be used: train anew with --weights and another --out.",
        ) from error


def _parameter_groups(net: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Decay what multiplies (convolutions, the classifier), not norms and biases."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def _check_data(training: ImageSet, validation: ImageSet) -> None:
    if len(training.classes) < 2:
        raise DataError(
            training.source,
            f"has one class, {training.classes[0]!r}",
            "Training needs two or more class folders.",
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


def _facts(
    net: ShuffleNetV2, recipe: Recipe, training: ImageSet, validation: ImageSet
) -> dict[str, Any]:
    """Say what makes a run this run, as JSON would give it back."""
    facts = {
        "network": dataclasses.asdict(net.spec),
        "recipe": dataclasses.asdict(recipe),
        "training data": _fingerprint(training),
        "validation data": _fingerprint(validation),
    }
    result: dict[str, Any] = json.loads(json.dumps(facts))
    return result


def _fingerprint(images: ImageSet) -> dict[str, Any]:
    names = "\n".join(f"{sample.label} {sample.name}" for sample in images.samples)
    return {
        "source": Path(images.source).name,
        "images": len(images),
        "classes": len(images.classes),
        "sha256_of_names": hashlib.sha256(names.encode()).hexdigest(),
    }


def _open_run(session: Session, facts: dict[str, Any]) -> None:
    path = session.out / "run.json"
    if not session.resume:
        if path.exists():
            raise RunError(
                session.out,
                "already holds a run",
                "Go on with it by --resume, or choose another --out.",
            )
        write_atomic(path, (json.dumps(facts, indent=2) + "\n").encode())
        return
    if not path.exists():
        raise RunError(session.out, "holds no run", "Start one by leaving out --resume.")
    try:
        recorded = json.loads(path.read_text())
    except ValueError as error:
        raise RunError(
            session.out, f"has a damaged run.json ({error})", "Start another."
        ) from error
    for part, fact in facts.items():
        if recorded.get(part) != fact:
            raise RunError(
                session.out,
                f"belongs to a run with another {part}",
                "Resume with the arguments it was started with, which its run.json holds.",
            )


def _append_row(path: Path, row: dict[str, Any]) -> None:
    """Write an epoch's row after those of the epochs before it, whatever stood there since."""
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [text for text in rows if json.loads(text)["step"] < row["step"]]
    write_atomic(path, "".join(f"{text}\n" for text in [*kept, json.dumps(row)]).encode())
