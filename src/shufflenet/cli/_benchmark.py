"""``shufflenet benchmark``."""

import argparse
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shufflenet.cli._benchmark_table import COLUMNS, Result, json_fields, print_results
from shufflenet.cli._options import Commands, add_command, file_endings, positive
from shufflenet.cli._output import add_json, print_json, print_note, progress
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import NETWORKS

if TYPE_CHECKING:
    from shufflenet.benchmark import Contender
    from shufflenet.spec import Card, Precision, Runtime

__all__ = ["add_benchmark"]

_THREADS_PER_CORE = 4  # more than any processor runs at once on a core

_EXAMPLES = """  shufflenet benchmark default
  shufflenet benchmark photos.onnx best.safetensors --threads 1,2 --batch 1,32
  shufflenet benchmark shufflenet_v2_x0_5 shufflenet_v2_x1_0 --chart speed.svg
"""


class _Entrant(NamedTuple):
    """A contender, and the file that its runtime opened."""

    contender: "Contender"
    file: Path


def add_benchmark(commands: Commands) -> None:
    """Add ``shufflenet benchmark``."""
    parser = add_command(
        commands,
        _benchmark,
        "benchmark",
        "measure the speed of models on this machine, in every installed runtime",
        _EXAMPLES,
    )
    columns = "".join(f"  {name:<10}  {meaning}\n" for name, meaning in COLUMNS.items())
    parser.epilog = f"columns of the table:\n{columns}\n{parser.epilog}"
    parser.add_argument(
        "models",
        metavar="NAME|FILE",
        nargs="+",
        help="names of `shufflenet list`, folders of training runs, or files that end in "
        f"{file_endings()}; a network without weights is measured with random ones",
    )
    parser.add_argument(
        "--runtime",
        action="append",
        choices=RUNTIMES,
        help="measure this runtime only; may be given several times (default: all that are "
        "installed)",
    )
    _add_measuring(parser)
    add_json(parser)


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    for option, unit in (("threads", "threads per call"), ("batch", "images per call")):
        parser.add_argument(
            f"--{option}",
            type=_numbers,
            default=(1,),
            metavar="N,N,...",
            help=f"{unit}; several numbers are measured one after the other (default: 1)",
        )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=3.0,
        metavar="S",
        help="how long each model is measured in each runtime at each batch size (default: 3)",
    )
    parser.add_argument(
        "--chart",
        type=Path,
        metavar="FILE",
        help="also draw the times as a .png or .svg file (default: no chart)",
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(positive(part) for part in text.split(",")))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _benchmark(args: argparse.Namespace) -> int:
    if args.chart and args.chart.suffix.lower() not in (".png", ".svg"):
        print_note(f"--chart {str(args.chart)!r} must end in .png or .svg.")
        return 2
    _check_threads(args.threads)
    if args.chart:  # imported first: a missing matplotlib would waste minutes of measuring
        from shufflenet.report.charts import plot_timings
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in args.threads:
            # Torch has one number of threads per process, so thread counts are not interleaved.
            entrants = list(_open_all(args, threads, Path(folder)))
            results += _measure(entrants, args)
    if args.chart:
        plot_timings([result.timing for result in results], args.chart)
    if args.json:
        print_json([json_fields(result) for result in results])
    else:
        print_results(results)
    return 0


def _check_threads(counts: Iterable[int]) -> None:
    """Check that there are at most four threads per core.

    Raises:
        SpecError: a count is larger.
    """
    from shufflenet.errors import SpecError
    from shufflenet.machine import cores

    most = _THREADS_PER_CORE * cores()
    for count in counts:
        if count > most:
            raise SpecError("--threads", count, f"at most {most} where there are {cores()} cores")


def _open_all(args: argparse.Namespace, threads: int, folder: Path) -> Iterator[_Entrant]:
    """Open every model in every chosen runtime that can open it, and print which cannot.

    Raises:
        CheckpointError: no chosen runtime can open a model.
        MissingDependency: likewise, because a package is missing.
    """
    from shufflenet.errors import CheckpointError, MissingDependency

    for number, name in enumerate(dict.fromkeys(args.models)):
        refusals: list[CheckpointError | MissingDependency] = []
        opened = 0
        for runtime in args.runtime or _installed(name):
            try:
                yield _open(name, runtime, threads, folder / str(number))
            except (CheckpointError, MissingDependency) as error:
                refusals.append(error)
            else:
                opened += 1
        if not opened:
            raise refusals[0]
        for refusal in refusals if threads == args.threads[0] else ():
            print_note(str(refusal))


def _installed(name: str) -> list[str]:
    """List the installed runtimes that open a file of this suffix; a name may become any file."""
    suffix = Path(name).suffix.lower()
    opens = {s for runtime in RUNTIMES.values() for s in runtime.suffixes}
    return [
        runtime.name
        for runtime in RUNTIMES.values()
        if find_spec(runtime.package)
        and (suffix not in opens or suffix in (*runtime.suffixes, ".safetensors"))
    ]


def _open(name: str, runtime: str, threads: int, folder: Path) -> _Entrant:
    from shufflenet import open_model
    from shufflenet.benchmark import Contender
    from shufflenet.hub import resolve, write_untrained

    model = write_untrained(name, folder) if name in NETWORKS else name
    file = resolve(model, RUNTIMES[runtime].suffixes, folder=folder)
    opened = open_model(file, runtime=runtime, threads=threads)
    precision = _precision(file, RUNTIMES[runtime], opened.card)
    return _Entrant(Contender(name, runtime, precision, threads, opened), file)


def _precision(file: Path, runtime: "Runtime", card: "Card") -> "Precision":
    from shufflenet.files import computes_int8
    from shufflenet.runtimes import stated_precision

    if card.int8 or (file.suffix.lower() == ".onnx" and computes_int8(file)):
        return "int8"
    return stated_precision(file, runtime)


def _measure(entrants: Sequence[_Entrant], args: argparse.Namespace) -> Iterator[Result]:
    from shufflenet.benchmark import compare, count_blocks, peak_memory_bytes
    from shufflenet.files import model_bytes

    contenders = [entrant.contender for entrant in entrants]
    memory = {}
    with progress(len(entrants), "processes") as bar:
        for contender, file in entrants:
            memory[id(contender)] = peak_memory_bytes(
                str(file), contender.runtime, threads=contender.threads, batches=args.batch
            )
            bar.update(1)
    for batch in args.batch:
        with progress(count_blocks(contenders), "blocks") as bar:
            timings = compare(contenders, batch=batch, seconds=args.seconds, on_progress=bar.update)
        for (contender, file), timing in zip(entrants, timings, strict=True):
            peaks = memory[id(contender)]
            yield Result(timing, model_bytes(file), peaks[batch] if peaks else None)
