"""The options of ``shufflenet train``, in groups."""

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

from shufflenet.cli._options import image_size, not_negative, positive
from shufflenet.machine import cores
from shufflenet.recipes import RECIPES, Initialization, Recipe, Schedule, Size
from shufflenet.spec import Bits, Channels, Fit, Task

__all__ = [
    "add_data_options",
    "add_model_options",
    "add_recipe_options",
    "add_run_options",
    "add_session_options",
    "recipe_fields",
]

_MAX_WORKERS = 16


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the images."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        required=True,
        help="images to train on: a folder, .tar or .tar.gz with one folder per class; WebDataset "
        "shards, as `shufflenet pack` writes them; parquet as on the Hugging Face Hub; or a CSV "
        "of path and label, or of path and several labels separated by |; for --task detection "
        "COCO's, YOLO's or Pascal VOC's files of boxes beside their images",
    )
    group.add_argument(
        "--task",
        choices=get_args(Task),
        help="classification: one class of each image is right; multi-label: any number may be; "
        "detection: find boxes of objects (default: multi-label where a label holds a |, else "
        "classification)",
    )
    group.add_argument(
        "--val",
        metavar="DATA",
        help="images to validate on, in one of the same forms (default: the folder val/ or the "
        "like where --data holds train/ and val/, or else --val-fraction of --data)",
    )
    group.add_argument(
        "--val-fraction",
        type=float,
        metavar="F",
        help="share of every class of --data that is held out to validate on and not trained on, "
        "at most 0.5; RUN/held-out.csv lists it (default: 0.1)",
    )
    _add_reading(group)
    group.add_argument(
        "--labels",
        metavar="FILE",
        help="display names of the classes, one per line: folder name, tab, display name "
        "(default: the folder names)",
    )


def _add_reading(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--fit",
        choices=get_args(Fit),
        help="how images of another shape than --image-px are made to fit: crop their center, pad "
        "with the mean color, or squash (default: that of the weights to start from, else crop; "
        "for --task detection pad)",
    )
    group.add_argument(
        "--channels",
        choices=[each for each in get_args(Channels) if each != "bgr"],  # which weights ask for
        help="what is read of an image: gray levels, colors, colors and opacity, or all channels "
        "as they are stored, as many as the first image has (default: those of the weights to "
        "start from, else rgb)",
    )
    group.add_argument(
        "--bits",
        type=int,
        choices=get_args(Bits),
        help="bits of a value that are read; 16 keeps what 16-bit images hold (default: those of "
        "the weights to start from, else 8)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the network and what it starts from."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--model",
        metavar="NAME",
        help="a network of `shufflenet list --networks` (default: the network of --weights, or "
        "else shufflenet_v2_x1_0)",
    )
    group.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="a checkpoint to start from: a name, a .safetensors file or the folder of a training "
        "run; what it knows of the classes is kept; `default` is the model that ships in the "
        "package (default: random weights)",
    )
    group.add_argument(
        "--teacher",
        metavar="NAME|FILE",
        help="a model of the same classes whose outputs are learned too, or a .npy file of its "
        "logits with one row per image of --data, sorted by path or in the order of the table or "
        "shards (default: none)",
    )
    group.add_argument(
        "--stem-stride",
        type=int,
        choices=[1, 2, 4],
        help="by how much the first layers shrink images: 4 suits 224 px, 2 suits 64 px, 1 suits "
        "32 px (default: chosen by the image size)",
    )
    group.add_argument(
        "--licence",
        default="",
        metavar="TEXT",
        help="the licence of the weights, stored in the model file (default: none)",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about the run folder, and the search for a learning rate."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="the folder to write: best.safetensors is the best network, curves.png shows loss "
        "and accuracy; required unless --find-rate is given",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --out from its last checkpoint; give the other options as "
        "before, but for --epochs, --patience and those of execution, which may change",
    )
    group.add_argument(
        "--find-rate",
        action="store_true",
        help="train a hundred steps at rising learning rates, print a suitable rate and exit; no "
        "file is written",
    )


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--recipe``, and an option for every field of a recipe."""
    group = parser.add_argument_group(
        "recipe", "An option other than --recipe replaces one value of the recipe."
    )
    group.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"one of {', '.join(RECIPES)} (default: fine-tuning if --weights is given, or else "
        "small-images; in both the image and batch sizes are then chosen to suit the images; for "
        "--task detection it is detection)",
    )
    for field in dataclasses.fields(Recipe):
        if field.metadata:
            group.add_argument(
                f"--{field.name.replace('_', '-')}",
                **_KINDS.get(field.type, {"type": field.type, "metavar": "N"}),
                help=field.metadata["help"],
            )


def _sizes(text: str) -> tuple[Size, ...]:
    """Parse sizes with commas between them: each a side, or a height, an x and a width.

    Raises:
        ArgumentTypeError: the text is something else.
    """
    return tuple(_size(part, text) for part in text.split(","))


def _size(part: str, text: str) -> Size:
    found = re.fullmatch(r"([0-9]{1,6})(?:x([0-9]{1,6}))?", part)
    if not found:
        expected = "no list of sizes such as 40,48 or, height by width, 24x72,32x96"
        raise argparse.ArgumentTypeError(f"{text!r} is {expected}")
    height, width = found.groups()
    return int(height) if width is None else (int(height), int(width))


# How argparse reads recipe fields that are not one number, by their type.
_KINDS: dict[Any, dict[str, Any]] = {
    tuple[Size, ...]: {"type": _sizes, "metavar": "PX,PX,..."},
    Size: {"type": image_size, "metavar": "H[,W]"},
    bool: {"action": argparse.BooleanOptionalAction},
    Schedule: {"choices": get_args(Schedule)},
    Initialization: {"choices": get_args(Initialization)},
}


def recipe_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe fields that the arguments replace, by name."""
    fields = {f.name: getattr(args, f.name) for f in dataclasses.fields(Recipe) if f.metadata}
    return {name: value for name, value in fields.items() if value is not None}


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about processes, devices and checkpoints."""
    group = parser.add_argument_group(
        "execution",
        "On the CPU with --precision 32-true, these options do not change the result, but for "
        "--devices, --nodes and --compile, with which rounding differs.",
    )
    workers = min(cores(), _MAX_WORKERS)
    group.add_argument(
        "--workers", type=not_negative, default=workers, metavar="N",
        help=f"processes that load images (default: {workers})",
    )  # fmt: skip
    group.add_argument(
        "--threads", type=positive, metavar="N", help="torch's threads (default: all cores)"
    )
    _add_devices(group)
    group.add_argument(
        "--compile",
        action="store_true",
        help="use torch.compile, which starts slowly and makes steps faster on some machines",
    )
    group.add_argument(
        "--save-every", type=float, default=60.0, metavar="S",
        help="seconds between checkpoints, from which --resume continues (default: 60)",
    )  # fmt: skip
    group.add_argument(
        "--stop-after", type=float, default=float("inf"), metavar="S",
        help="save and stop after this many seconds (default: never)",
    )  # fmt: skip


def _add_devices(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--accelerator",
        default="auto",
        choices=["auto", "cpu", "cuda", "mps"],
        help="where to compute (default: auto, the GPU if there is one)",
    )
    for name, things in (("devices", "devices of this machine"), ("nodes", "machines")):
        group.add_argument(
            f"--{name}", type=positive, default=1, metavar="N",
            help=f"how many {things} share every batch (default: 1)",
        )  # fmt: skip
    group.add_argument(
        "--precision",
        default="32-true",
        choices=["32-true", "bf16-mixed", "64-true"],
        help="number format, named as in Lightning Fabric (default: 32-true)",
    )
