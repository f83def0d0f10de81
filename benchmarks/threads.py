"""What several threads gain for one image, by this package's own machine code.

    python benchmarks/threads.py [--threads 2] [--rounds 60] [--json FILE]

V2 1.0 at 224 px, float32 and int8, with one thread and with several, which take turns call by call
in one process, so that a shared machine slows both. Of every round there are the medians of both.
Printed are, of the rounds, the quartiles of the ratio; and the ratio of the fastest tenths of all
calls, which is nearer to what a machine does that has cores to spare.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from contenders import OURS, QUANTISED, SIDE, Networks

from shufflenet.benchmark import Precision
from shufflenet.runtimes import LlvmClassifier

NETWORK, CALLS = "shufflenet_v2_x1_0", 10


@dataclass(frozen=True)
class Row:
    """One precision.

    Attributes:
        one_ms: The fastest tenth of calls with one thread ends at so many milliseconds.
        several_ms: Likewise with several.
        fastest: The ratio of the two.
        rounds: The quartiles of the ratios of the rounds' medians.
    """

    precision: Precision
    threads: int
    one_ms: float
    several_ms: float
    fastest: float
    rounds: tuple[float, ...]


def measure(path: Path, precision: Precision, threads: int, rounds: int) -> Row:
    """Time calls of one image with one thread and with several.

    Raises:
        SystemExit: they compute something else.
    """
    both = [LlvmClassifier(path, threads=number) for number in (1, threads)]
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    first, second = (each.logits_from_pixels(pixels) for each in both)
    if not np.array_equal(first, second):
        raise SystemExit("Several threads compute something else than one.")
    calls: tuple[list[float], list[float]] = [], []
    for _ in range(rounds * CALLS):
        for classifier, seconds in zip(both, calls, strict=True):
            started = time.perf_counter()
            classifier.logits_from_pixels(pixels)
            seconds.append(time.perf_counter() - started)
    starts = range(0, rounds * CALLS, CALLS)
    medians = [[statistics.median(each[at : at + CALLS]) for at in starts] for each in calls]
    ratios = [one / several for one, several in zip(*medians, strict=True)]
    one, several = (1e3 * statistics.quantiles(each, n=10)[0] for each in calls)
    quartiles = tuple(round(value, 2) for value in statistics.quantiles(ratios, n=4))
    fastest = round(one / several, 2)
    return Row(precision, threads, round(one, 3), round(several, 3), fastest, quartiles)


def main() -> None:
    """Measure, print, and write the rows if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path, help="where to write the rows")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        networks = Networks(Path(folder))
        graphs: tuple[tuple[str, Precision], ...] = ((OURS, "float32"), (QUANTISED, "int8"))
        for graph, precision in graphs:
            path = networks.file(NETWORK, graph, precision)
            rows.append(measure(path, precision, args.threads, args.rounds))
            print(rows[-1])
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
