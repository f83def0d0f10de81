"""``shufflenet train``."""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import (
    add_json,
    print_accuracy,
    print_json,
    print_line,
    print_note,
    progress,
)
from shufflenet.cli._train_options import (
    add_data_options,
    add_model_options,
    add_recipe_options,
    add_run_options,
    add_session_options,
    recipe_fields,
)
from shufflenet.machine import cores
from shufflenet.recipes import find_recipe
from shufflenet.spec import Accuracy, AnyAccuracy, DetectionAccuracy

if TYPE_CHECKING:
    from shufflenet.train import FoundRate, Job, Result, Session

__all__ = ["add_train"]


def add_train(commands: Commands) -> None:
    """Add ``shufflenet train``."""
    parser = add_command(
        commands,
        _train,
        "train",
        "train or fine-tune a network on images sorted into one folder per class",
        "  shufflenet train --data photos/ --out runs/photos --weights default\n"
        "  shufflenet train --data photos/ --out runs/photos --weights default --resume\n"
        "  shufflenet train --data photos/ --out runs/scratch --epochs 60\n"
        "  shufflenet train --data tags.csv --task multi-label --out runs/tags --weights default\n"
        "  shufflenet train --data cells/ --task detection --out runs/cells --weights default\n"
        "  shufflenet train --data scans/ --out runs/scans --channels gray --image-px 32,96 "
        "--fit pad\n"
        "  shufflenet train --data photos/ --weights default --find-rate\n",
    )
    parser.set_defaults(extra="train")  # which installs everything that this command imports
    add_data_options(parser)
    add_model_options(parser)
    add_run_options(parser)
    add_recipe_options(parser)
    add_session_options(parser)
    add_json(parser)


def _train(args: argparse.Namespace) -> int:
    if args.find_rate and args.resume:
        args.parser.error("--resume is of no use with --find-rate")
    if not args.out and not args.find_rate:
        args.parser.error("the following arguments are required: --out")

    import torch

    from shufflenet.train import find_rate_for_job, is_first_process, train_job

    recipe = find_recipe(args.recipe) if args.recipe is not None else None
    torch.set_num_threads(args.threads or max(1, cores() // args.devices))
    work = find_rate_for_job if args.find_rate else train_job
    try:
        with progress(None, "steps") as bar:
            session = _session(args, _Display(bar))
            outcome: FoundRate | Result = work(_job(args), recipe, session, recipe_fields(args))
            _end_bar(bar, outcome)
    except KeyboardInterrupt:
        if args.out and any(args.out.glob("last*.pt")) and is_first_process():
            print_note(f"The run is saved. {_how_to_continue()}")
        raise
    if not is_first_process():  # every process has the same outcome
        return 0
    return _print_outcome(outcome, as_json=args.json)


def _job(args: argparse.Namespace) -> "Job":
    from shufflenet.train import Job, Reading

    return Job(
        data=args.data,
        val=args.val,
        task=args.task,
        val_fraction=args.val_fraction,
        reading=Reading(fit=args.fit, channels=args.channels, bits=args.bits),
        labels=args.labels,
        model=args.model,
        weights=args.weights,
        teacher=args.teacher,
        stem_stride=args.stem_stride,
        licence=args.licence,
    )


def _session(args: argparse.Namespace, display: "_Display") -> "Session":
    from shufflenet.train import Session

    return Session(
        out=args.out or Path(),  # --find-rate writes nothing there
        resume=args.resume,
        workers=args.workers,
        accelerator=args.accelerator,
        precision=args.precision,
        devices=args.devices,
        nodes=args.nodes,
        compiled=args.compile,
        save_every_s=args.save_every,
        stop_after_s=args.stop_after,
        on_step=display.on_step,
        on_epoch=display.on_epoch,
    )


class _Display:
    """A progress bar with the loss of the last step and the accuracy of the last epoch."""

    def __init__(self, bar: Any) -> None:  # noqa: ANN401  # tqdm has no types
        self._bar = bar
        self._accuracy = ""

    def on_step(self, step: int, steps: int, loss: float) -> None:
        """Show a step and its loss."""
        bar = self._bar
        if bar.total is None:
            bar.total = steps
            bar.initial = bar.n = bar.last_print_n = step - 1  # a run may be resumed
        bar.set_postfix_str(f"loss {loss:.3f}{self._accuracy}", refresh=False)
        bar.update()

    def on_epoch(self, run: Path, accuracy: AnyAccuracy) -> None:
        """Print the loss and the validation accuracy of an epoch, and draw the run's curves."""
        from shufflenet.report.charts import plot_curves
        from shufflenet.report.metrics import read_metrics

        self._accuracy = f", validation {_in_short(accuracy)}"
        rows = read_metrics(run)
        if rows:
            self._bar.clear()
            print_note(_describe_epoch(rows[-1], accuracy))
        plot_curves(run)


def _in_short(accuracy: AnyAccuracy) -> str:
    if isinstance(accuracy, Accuracy):
        return f"top-1 {accuracy.top1_percent:.1f} %"
    if isinstance(accuracy, DetectionAccuracy):
        return f"mAP {accuracy.map:.3f}, mAP50 {accuracy.map50:.3f}"
    return f"mAP {100 * accuracy.map:.1f} %"


def _describe_epoch(row: Mapping[str, Any], accuracy: AnyAccuracy) -> str:
    """Return what an epoch reached; epoch 0 is the network before it is trained."""
    when = f"Epoch {row['epoch']}: loss {row['loss']:.3f}" if row["epoch"] else "Before training"
    if isinstance(accuracy, DetectionAccuracy):
        found = f"of {accuracy.boxes} boxes in {accuracy.images} validation images"
        return f"{when}, {_in_short(accuracy)} {found}."
    if not isinstance(accuracy, Accuracy):
        exact = f"{accuracy.exact} of {accuracy.images} validation images exactly right"
        return f"{when}, {_in_short(accuracy)}, {exact}."
    right = f"{accuracy.top1} of {accuracy.images} validation images right"
    return f"{when}, {right} ({accuracy.top1_percent:.1f} %)."


def _end_bar(bar: Any, outcome: "FoundRate | Result") -> None:  # noqa: ANN401  # tqdm has no types
    """Show the bar of work that ended before its last step as done."""
    if getattr(outcome, "finished", True) and bar.total is not None:
        bar.total = bar.n
        bar.refresh()


def _how_to_continue() -> str:
    """Return how to continue a run, with the whole command where this process knows it."""
    words = sys.argv[1:]
    if words[:1] != ["train"]:  # called from Python, or by another program
        return "To continue it, run the same command with --resume."
    resume = [] if "--resume" in words else ["--resume"]
    return f"To continue it: {shlex.join(['shufflenet', *words, *resume])}"


def _print_outcome(outcome: "FoundRate | Result", *, as_json: bool) -> int:
    from shufflenet.train import FoundRate

    if as_json:
        print_json(outcome if isinstance(outcome, FoundRate) else _fields(outcome))
    if isinstance(outcome, FoundRate):
        if not as_json:
            _print_rate(outcome)
        return 0 if outcome.learning_rate else 1
    if not as_json:
        _print_result(outcome)
    return 0


def _fields(result: "Result") -> dict[str, object]:
    """Return what is printed of a run: of a network of other tasks its accuracy, and no top-1."""
    fields = dataclasses.asdict(result)
    several, found = fields.pop("multi_label"), fields.pop("detection")
    if several is None and found is None:
        return fields
    left = {name: value for name, value in fields.items() if name not in ("top1", "top5")}
    if result.multi_label is None:
        return {**left, **found}
    return {**left, **several, "f1": result.multi_label.f1}


def _print_rate(found: "FoundRate") -> None:
    if found.learning_rate is None or found.risen_at is None:
        print_note(
            "The loss was not a finite number within the first ten steps. Check the images, and "
            "the weights to start from."
        )
        return
    if found.risen_at < found.rates[-1]:
        reason = f"The loss began to rise at {found.risen_at:.2g}"
    else:
        reason = f"The loss did not rise before {found.risen_at:.2g}, the last rate tried"
    print_line(f"Use --learning-rate {found.learning_rate:g}. {reason}; a quarter of that is safe.")


def _print_result(result: "Result") -> None:
    if result.best:
        from shufflenet.files import read_card

        classes = read_card(result.best).network.classes
        counts = Accuracy(images=result.images, top1=result.top1, top5=result.top5)
        print_accuracy(result.multi_label or result.detection or counts, classes)
        print_line(f"best network: {result.best}")
    if not result.finished:
        print_note(f"Stopped at step {result.steps}. {_how_to_continue()}")
