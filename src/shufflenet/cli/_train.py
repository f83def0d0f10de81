"""``shufflenet train``."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from shufflenet.cli._options import Commands, add_command, not_negative, positive
from shufflenet.cli._output import add_json, print_json, progress, say
from shufflenet.machine import cores
from shufflenet.recipes import RECIPES, Recipe, Schedule, find_recipe

if TYPE_CHECKING:
    from shufflenet.train import FoundRate

__all__ = ["add_train"]


def add_train(commands: Commands) -> None:
    """Add ``shufflenet train``."""
    parser = add_command(
        commands,
        _train,
        "train",
        "train a network on class folders",
        "  shufflenet train --data photos/ --out runs/photos\n"
        "  shufflenet train --data photos/ --out runs/photos --resume\n"
        "  shufflenet train --data photos/ --out runs/tuned --weights default\n"
        "  shufflenet train --data photos/ --weights default --find-rate\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="a folder, .tar or .tar.gz with a folder a class; WebDataset shards, as `shufflenet "
        "pack` writes; the Hub's parquet; a CSV of path and label",
    )
    parser.add_argument("--val", help="the same to validate on (default: a tenth of every class)")
    parser.add_argument(
        "--labels", metavar="FILE", help="lines of folder name, tab, name for people"
    )
    parser.add_argument(
        "--model", metavar="NAME",
        help="a network of `shufflenet list` (default: that of --weights, or shufflenet_v2_x1_0)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument(
        "--find-rate",
        action="store_true",
        help="train for a hundred steps at rising learning rates, name a good one, keep nothing",
    )
    parser.add_argument("--weights", metavar="NAME|FILE", help="a checkpoint to start from")
    parser.add_argument(
        "--teacher",
        metavar="NAME|FILE",
        help="a model of the same classes to learn from, or a .npy file of its logits, a row for "
        "every image of --data: by path, or in the order of its table or shards",
    )
    parser.add_argument(
        "--stem-stride", type=int, choices=[1, 2, 4],
        help="how far the stem shrinks images: 4 for 224 px, 2 for 64, 1 for 32 (default: by size)",
    )  # fmt: skip
    parser.add_argument("--licence", default="", help="the licence of the weights, for their card")
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"{', '.join(RECIPES)} (default: fine-tuning where there are --weights, or else "
        "small-images; with sizes and batches that suit the images)",
    )
    group = parser.add_argument_group("fields of the recipe, to override it")
    for field in dataclasses.fields(Recipe):
        if field.metadata:
            group.add_argument(
                f"--{field.name.replace('_', '-')}",
                **_KINDS.get(field.type, {"type": field.type, "metavar": "N"}),
                help=field.metadata["help"],
            )
    group = parser.add_argument_group("how it is carried out")
    workers = min(cores(), 16)
    group.add_argument(
        "--workers", type=not_negative, default=workers, metavar="N",
        help=f"processes that decode images (default: {workers})",
    )  # fmt: skip
    group.add_argument(
        "--threads", type=positive, metavar="N", help="torch's threads (default: all cores)"
    )
    group.add_argument(
        "--accelerator",
        default="auto",
        choices=["auto", "cpu", "cuda", "mps"],
        help="(default: what is there)",
    )
    for name, meant in (("devices", "devices of this machine"), ("nodes", "machines")):
        group.add_argument(
            f"--{name}",
            type=positive,
            default=1,
            metavar="N",
            help=f"{meant} that share every batch (default: 1)",
        )
    group.add_argument(
        "--precision",
        default="32-true",
        choices=["32-true", "bf16-mixed", "64-true"],
        help="as Lightning Fabric names it (default: 32-true)",
    )
    group.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile: a slow start, and on some machines faster steps",
    )
    group.add_argument(
        "--save-every",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds between checkpoints (default: 60)",
    )
    group.add_argument(
        "--stop-after", type=float, default=float("inf"), metavar="S",
        help="save and stop after so many seconds; --resume goes on (default: never)",
    )  # fmt: skip
    add_json(parser)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


# How fields are given that are no numbers, by their types.
_KINDS: dict[Any, dict[str, Any]] = {
    tuple[int, ...]: {"type": _sizes, "metavar": "PX,PX,..."},
    bool: {"action": argparse.BooleanOptionalAction},
    Schedule: {"choices": get_args(Schedule)},
}


def _train(args: argparse.Namespace) -> int:
    if args.find_rate and args.resume:
        args.parser.error("--find-rate keeps nothing that --resume could go on with")
    if not args.out and not args.find_rate:
        args.parser.error("the following arguments are required: --out")

    import torch

    from shufflenet.report.charts import plot_curves
    from shufflenet.train import Job, Session, find_rate_for_job, is_first_process, train_job

    recipe = find_recipe(args.recipe) if args.recipe is not None else None
    fields = {f.name: getattr(args, f.name) for f in dataclasses.fields(Recipe) if f.metadata}
    fields = {name: value for name, value in fields.items() if value is not None}
    torch.set_num_threads(args.threads or max(1, cores() // args.devices))
    job = Job(
        data=args.data,
        val=args.val,
        labels=args.labels,
        model=args.model,
        weights=args.weights,
        teacher=args.teacher,
        stem_stride=args.stem_stride,
        licence=args.licence,
    )
    with progress(None, "steps") as bar:

        def on_step(step: int, steps: int, loss: float) -> None:
            if bar.total is None:
                bar.total = steps
                bar.initial = bar.n = bar.last_print_n = step - 1  # a run may be resumed
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()

        session = Session(
            out=args.out or Path(),  # where nothing is kept it has no part
            resume=args.resume,
            workers=args.workers,
            accelerator=args.accelerator,
            precision=args.precision,
            devices=args.devices,
            nodes=args.nodes,
            compiled=args.compile,
            save_every_s=args.save_every,
            stop_after_s=args.stop_after,
            on_step=on_step,
            on_epoch=plot_curves,
        )
        if args.find_rate:
            found = find_rate_for_job(job, recipe, session, fields)
        else:
            result = train_job(job, recipe, session, fields)
    if not is_first_process():  # all come to the same
        return 0
    if args.find_rate:
        _tell(found, as_json=args.json)
        return 0 if found.learning_rate else 1
    if args.json:
        print_json(result)
        return 0
    if result.best:
        print(f"best: top-1 {result.top1} of {result.images}, top-5 {result.top5}: {result.best}")
    if not result.finished:
        say(f"Stopped at step {result.steps}; go on by the same command with --resume.")
    return 0


def _tell(found: "FoundRate", *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found.learning_rate is None:
        say("Within ten steps the loss is no number: look at data and weights.")
    else:
        print(
            f"--learning-rate {found.learning_rate:g}: a quarter of {found.risen_at:.2g}, at which "
            f"the loss had risen, or the test ended, in {len(found.rates)} steps from "
            f"{found.rates[0]:g} on"
        )
