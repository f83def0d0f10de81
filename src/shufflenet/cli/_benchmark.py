"""``shufflenet benchmark``."""

import argparse
import dataclasses
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_table, progress, say

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from shufflenet.benchmark import Contender, Timing

__all__ = ["add_benchmark"]

_RUNTIMES = ("onnxruntime", "openvino", "torch")


def add_benchmark(commands: Commands) -> None:
    """Add ``shufflenet benchmark``."""
    parser = add_command(
        commands,
        _benchmark,
        "benchmark",
        "measure how fast models answer on this machine, in every runtime installed",
        "  shufflenet benchmark default\n"
        "  shufflenet benchmark photos.onnx best.safetensors --threads 1 --batch 1,32\n",
    )
    parser.add_argument(
        "models", metavar="NAME|FILE", nargs="+", help="names of `shufflenet list`, or files"
    )
    parser.add_argument(
        "--runtime",
        action="append",
        choices=_RUNTIMES,
        help="measure only this; may be given again (default: all that are installed)",
    )
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="threads a call (default: 1)"
    )
    parser.add_argument(
        "--batch",
        type=_numbers,
        default=(1,),
        metavar="N,N,...",
        help="images a call (default: 1)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=3.0,
        metavar="S",
        help="how long each contender is measured at each batch (default: 3)",
    )
    add_json(parser)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def _benchmark(args: argparse.Namespace) -> int:
    from shufflenet.benchmark import compare

    contenders = [c for model in args.models for c in _contenders(model, args)]
    timings: list[Timing] = []
    for batch in args.batch:
        with progress(10 * len(contenders), "turns") as bar:
            timings += compare(
                contenders,
                batch=batch,
                seconds=args.seconds,
                reference=_reference(contenders),
                on_progress=bar.update,
            )
    if args.json:
        print_json([dataclasses.asdict(timing) for timing in timings])
        return 0
    print_table([_row(timing) for timing in timings])
    say(_verdict(timings))
    return 0


def _contenders(name: str, args: argparse.Namespace) -> list["Contender"]:
    """Open a model in every runtime that is installed and can.

    Raises:
        CheckpointError: none of those asked for can.
    """
    from shufflenet import open_model
    from shufflenet.benchmark import Contender
    from shufflenet.errors import CheckpointError, MissingDependency
    from shufflenet.zoo import find_weights

    asked = args.runtime or [r for r in _RUNTIMES if find_spec(r)]
    published = find_weights(name).published
    precision = "int8" if published and published.quantised else "float32"
    opened, refusals = [], []
    for runtime in asked:
        try:
            model = open_model(name, runtime=runtime, threads=args.threads)
        except (CheckpointError, MissingDependency) as error:
            refusals.append(error)
            continue
        opened.append(Contender(name, runtime, precision, args.threads, model))
    if not opened:
        raise refusals[0]
    for refusal in refusals:
        say(str(refusal))
    return opened


def _reference(
    contenders: list["Contender"],
) -> "Callable[[Contender, npt.NDArray[np.float32]], npt.NDArray[np.float32]]":
    """Hold every contender against torch where it is one, and else against the first."""
    order = sorted(contenders, key=lambda contender: contender.runtime != "torch")
    firsts: dict[str, Contender] = {}
    for contender in order:
        firsts.setdefault(contender.model, contender)

    def logits(
        contender: "Contender", images: "npt.NDArray[np.float32]"
    ) -> "npt.NDArray[np.float32]":
        return firsts[contender.model].classifier.logits(images)

    return logits


def _row(timing: "Timing") -> dict[str, str]:
    return {
        "model": timing.model,
        "runtime": timing.runtime,
        "precision": timing.precision,
        "threads": str(timing.threads),
        "batch": str(timing.batch),
        "p50 ms": f"{timing.p50_ms:.2f}",
        "p95 ms": f"{timing.p95_ms:.2f}",
        "cold ms": f"{timing.cold_ms:.2f}",
        "images/s": f"{timing.images_per_second:.0f}",
        "spread": f"{timing.spread:.2f}",
        "difference": f"{timing.max_abs_difference:.1e}",
    }


def _verdict(timings: list["Timing"]) -> str:
    """Say in words which is fastest, at each batch."""
    sentences = []
    for batch in sorted({timing.batch for timing in timings}):
        ranked = sorted((t for t in timings if t.batch == batch), key=lambda t: t.p50_ms)
        first, last = ranked[0], ranked[-1]
        if first is last:
            continue
        sentences.append(
            f"Batch {batch}: {first.model} by {first.runtime} is fastest, "
            f"{last.p50_ms / first.p50_ms:.2f} times as fast as {last.model} by {last.runtime}."
        )
    return " ".join(sentences) or "There is nothing to compare it with."
