"""``shufflenet benchmark``."""

import argparse
import dataclasses
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_table, progress, say
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import NETWORKS

if TYPE_CHECKING:
    from shufflenet.benchmark import Contender, Precision, Timing

__all__ = ["add_benchmark"]

_THREADS_A_CORE = 4  # more than any processor computes at once on a core


class _Entrant(NamedTuple):
    """A contender, and the file that its runtime opened."""

    contender: "Contender"
    file: Path


class _Result(NamedTuple):
    """What was measured of a contender at a batch."""

    timing: "Timing"
    file_bytes: int
    peak_memory_bytes: int | None


def add_benchmark(commands: Commands) -> None:
    """Add ``shufflenet benchmark``."""
    parser = add_command(
        commands,
        _benchmark,
        "benchmark",
        "measure how fast models answer on this machine, in every runtime installed",
        "  shufflenet benchmark default\n"
        "  shufflenet benchmark photos.onnx best.safetensors --threads 1,2 --batch 1,32\n"
        "  shufflenet benchmark shufflenet_v2_x0_5 shufflenet_v2_x1_0 --chart speed.svg\n",
    )
    parser.add_argument(
        "models",
        metavar="NAME|FILE",
        nargs="+",
        help="names of `shufflenet list`, or files; a network without weights gets random ones",
    )
    parser.add_argument(
        "--runtime",
        action="append",
        choices=RUNTIMES,
        help="measure only this; may be given again (default: all that are installed)",
    )
    parser.add_argument(
        "--threads",
        type=_numbers,
        default=(1,),
        metavar="N,N,...",
        help="threads a call (default: 1)",
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
        type=_seconds,
        default=3.0,
        metavar="S",
        help="how long each contender is measured at each batch (default: 3)",
    )
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw it too, as .png or .svg")
    add_json(parser)


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
    if args.chart and args.chart.suffix not in (".png", ".svg"):
        say(f"--chart {str(args.chart)!r} must end in .png or .svg.")
        return 2
    _check_threads(args.threads)
    if args.chart:
        from shufflenet.report.charts import (
            plot_timings,  # before minutes of work that it would waste
        )
    results: list[_Result] = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in args.threads:
            # Torch has one number of threads in a process, so one is measured after the other.
            entrants = list(_entrants(args, threads, Path(folder)))
            results += _measured(entrants, args)
    if args.chart:
        plot_timings([result.timing for result in results], args.chart)
    if args.json:
        print_json([_fields(result) for result in results])
    else:
        print_table([_row(result) for result in results])
        print(f"\n{_told(results)}")
    return 0


def _check_threads(counts: Iterable[int]) -> None:
    """Refuse what no machine of so many cores can be asked for.

    Raises:
        SpecError: one is above four a core.
    """
    from shufflenet.errors import SpecError
    from shufflenet.machine import cores

    most = _THREADS_A_CORE * cores()
    for count in counts:
        if count > most:
            raise SpecError("--threads", count, f"at most {most} where there are {cores()} cores")


def _entrants(args: argparse.Namespace, threads: int, folder: Path) -> Iterator[_Entrant]:
    """Open every model in every runtime that is installed and can.

    Raises:
        CheckpointError: a model cannot be opened by any of those asked for.
        MissingDependency: likewise.
    """
    from shufflenet.errors import CheckpointError, MissingDependency

    for number, name in enumerate(dict.fromkeys(args.models)):
        refusals: list[CheckpointError | MissingDependency] = []
        opened = 0
        for runtime in args.runtime or _runtimes(name):
            try:
                yield _open(name, runtime, threads, folder / str(number))
            except (CheckpointError, MissingDependency) as error:
                refusals.append(error)
            else:
                opened += 1
        if not opened:
            raise refusals[0]
        for refusal in refusals if threads == args.threads[0] else ():
            say(str(refusal))


def _runtimes(name: str) -> list[str]:
    """List the installed runtimes that open a file of this suffix; a name may become any file."""
    suffix = Path(name).suffix
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
    return _Entrant(Contender(name, runtime, _precision(file), threads, opened), file)


def _precision(file: Path) -> "Precision":
    from shufflenet.files import computes_int8

    return "int8" if file.suffix == ".onnx" and computes_int8(file) else "float32"


def _measured(entrants: Sequence[_Entrant], args: argparse.Namespace) -> Iterator[_Result]:
    from shufflenet.benchmark import compare, count_blocks, peak_memory_bytes

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
            most = memory[id(contender)]
            yield _Result(timing, file.stat().st_size, most[batch] if most else None)


def _fields(result: _Result) -> dict[str, object]:
    sizes = result._asdict()
    timing: Timing = sizes.pop("timing")
    return dataclasses.asdict(timing) | sizes


def _row(result: _Result) -> dict[str, str]:
    timing, memory = result.timing, result.peak_memory_bytes
    difference = f"{timing.max_abs_difference:.1e} of {timing.max_abs_logit:.2g}"
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
        "of peak": f"{timing.gemm_share:.0%}",
        "memory MB": "not known" if memory is None else f"{memory / 1e6:.0f}",
        "file MB": f"{result.file_bytes / 1e6:.2f}",
        "difference": "reference" if timing.is_reference else difference,
    }


def _told(results: Sequence[_Result]) -> str:
    """Say what the columns are held against, and what came of it."""
    from shufflenet.benchmark import verdict

    timings = [result.timing for result in results]
    peaks: dict[str, float] = {}
    for timing in timings:
        rate = timing.gemm_gops / timing.threads
        peaks[timing.precision] = max(rate, peaks.get(timing.precision, 0.0))
    rates = " and ".join(f"{peak:.0f} in {kind}" for kind, peak in peaks.items())
    lines = [
        "Peak, in billions of multiplications and additions a second, of one thread in ONNX "
        f"Runtime's products of matrices: {rates}.",
        *verdict(timings),
    ]
    if len(results) == 1:
        lines.append("There is nothing to compare it with.")
    return "\n".join(lines)
