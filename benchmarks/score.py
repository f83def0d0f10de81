"""How fast scoring is, and how much memory it takes.

    python benchmarks/score.py FOLDER_OF_PHOTOS
    python benchmarks/score.py FOLDER_OF_PHOTOS --only memory --cluster

Measured are

- steady: images a second of two workers between their first and their last part, and of
  ``runtimes.classify``, which ``shufflenet predict`` calls, on the same files by the same runtime,
  in turns;
- scaling: the same of one worker and of two;
- first: seconds from the start of ``shufflenet score`` to its first file of answers;
- memory: the largest resident memory of the process that lists and of a worker, with a table of
  10,000 names and with one of 1,000,000, over few files; both are ended after ``--seconds``, when
  the larger table has long been listed to its end;
- listing: seconds and memory for a table of 10,000,000 names, to its end.

Medians are printed as JSON with all values, and written beside this script with ``--keep``.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from speed import machine

import shufflenet
from shufflenet.data import list_folder
from shufflenet.data.parts import Limits, Totals, cut, open_source
from shufflenet.runtimes import classify
from shufflenet.score import Job, Progress, score

_KB = 1024


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--only", choices=["steady", "scaling", "first", "memory", "listing"])
    parser.add_argument("--cluster", action="store_true", help="by Ray on this machine")
    parser.add_argument("--keep", action="store_true", help="write the result beside this script")
    args = parser.parse_args()
    photos = [args.photos / name for name in sorted(list_folder(args.photos).images)]
    model = shufflenet.open_model(runtime=args.runtime, threads=1)
    args.runtime = model.runtime
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "steady": lambda: _steady(args, photos),
        "scaling": lambda: _scaling(args, photos),
        "first": lambda: _first(args, photos),
        "memory": lambda: _memory(args, photos),
        "listing": lambda: _listing(photos),
    }
    result: dict[str, Any] = {"machine": machine(), "runtime": args.runtime, "images": args.images}
    result["workers"] = "actors of Ray" if args.cluster else "processes"
    for name, measure in measures.items():
        if args.only in (None, name):
            result[name] = measure()
            print(json.dumps({name: result[name]}), file=sys.stderr, flush=True)
    text = json.dumps(result, indent=1)
    print(text)
    if args.keep:
        name = "score_cluster.json" if args.cluster else "score.json"
        Path(__file__).with_name(name).write_text(text + "\n")


def _steady(args: argparse.Namespace, photos: list[Path]) -> dict[str, Any]:
    of_score, of_predict = [], []
    with _table(photos, args.images) as table:
        for _ in range(args.rounds):
            of_predict.append(_predict_rate(args, photos))
            of_score.append(_score_rate(args, table, 2))
    ratios = [one / other for one, other in zip(of_score, of_predict, strict=True)]
    return {
        "score_per_s": of_score,
        "predict_per_s": of_predict,
        "ratio": statistics.median(ratios),
    }


def _scaling(args: argparse.Namespace, photos: list[Path]) -> dict[str, Any]:
    one, two = [], []
    with _table(photos, args.images) as table:
        for _ in range(args.rounds):
            one.append(_score_rate(args, table, 1))
            two.append(_score_rate(args, table, 2))
    ratios = [of_two / of_one for of_one, of_two in zip(one, two, strict=True)]
    return {"one_per_s": one, "two_per_s": two, "ratio": statistics.median(ratios)}


def _predict_rate(args: argparse.Namespace, photos: list[Path]) -> float:
    model = shufflenet.open_model(runtime=args.runtime, threads=1)
    paths = [photos[number % len(photos)] for number in range(args.images)]
    for _ in classify(model, paths[:64]):
        pass
    start = time.perf_counter()
    count = sum(1 for _ in classify(model, paths))
    return round(count / (time.perf_counter() - start), 1)


def _score_rate(args: argparse.Namespace, table: Path, workers: int) -> float:
    """Return images a second between the first part that ended and the last."""
    told: list[tuple[float, int]] = []

    def note(now: Progress) -> None:
        if now.counts.images and (not told or told[-1][1] != now.counts.images):
            told.append((time.perf_counter(), now.counts.images))

    with tempfile.TemporaryDirectory() as out:
        cluster = "local" if args.cluster else None
        job = Job(
            str(table), f"{out}/out", runtime=args.runtime, workers=workers, cluster=cluster,
            limits=Limits(images=64),
        )  # fmt: skip
        score(job, note)
    (start, before), (end, after) = told[0], told[-1]
    return round((after - before) / (end - start), 1)


def _first(args: argparse.Namespace, photos: list[Path]) -> dict[str, Any]:
    seconds = []
    with _table(photos, args.images) as table:
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as folder, _scoring(args, table, folder) as process:
                start = time.perf_counter()
                while not list(Path(folder, "out", "answers").glob("*.parquet")):
                    if process.poll() is not None:
                        raise SystemExit("scoring ended before its first answers")
                    time.sleep(0.01)
                seconds.append(round(time.perf_counter() - start, 2))
    return {"seconds": seconds, "median": statistics.median(seconds)}


def _memory(args: argparse.Namespace, photos: list[Path]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    small = sorted(photos, key=lambda path: path.stat().st_size)[:20]
    for count in (10_000, 1_000_000):
        with (
            _table(small, count) as table,
            tempfile.TemporaryDirectory() as folder,
            _scoring(args, table, folder) as process,
        ):
            result[str(count)] = _peaks(process, args.seconds)
    for of in ("lists_mb", "works_mb"):
        result[f"{of}_ratio"] = round(result["1000000"][of] / result["10000"][of], 3)
    return result


def _peaks(process: "subprocess.Popen[bytes]", seconds: float) -> dict[str, float]:
    """Return the largest resident memory of a process and of one that it started, in MB."""
    end, lists, works = time.monotonic() + seconds, 0, 0
    while process.poll() is None and time.monotonic() < end:
        lists = max(lists, _resident_kb(process.pid))
        works = max((works, *map(_resident_kb, _children(process.pid))))
        time.sleep(0.1)
    return {"lists_mb": round(lists / _KB, 1), "works_mb": round(works / _KB, 1)}


def _resident_kb(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // _KB
    return 0


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _listing(photos: list[Path]) -> dict[str, Any]:
    """List ten million names to the end in a thread of this process."""
    result: dict[str, Any] = {}
    for count in (10_000, 10_000_000):
        with _table(photos[:20], count) as table:
            totals, start, peak = Totals(), time.perf_counter(), 0

            def listed(table: Path = table, totals: Totals = totals) -> None:
                for part in cut(open_source(str(table), spool=False).units(), Limits()):
                    totals.add(part)

            thread = threading.Thread(target=listed)
            thread.start()
            while thread.is_alive():
                peak = max(peak, _resident_kb(os.getpid()))
                thread.join(0.05)
            seconds = round(time.perf_counter() - start, 1)
        result[str(count)] = {
            "seconds": seconds,
            "parts": totals.parts,
            "resident_mb": round(peak / _KB, 1),
        }
    return result


@contextlib.contextmanager
def _table(photos: list[Path], count: int) -> Iterator[Path]:
    """Write a table of so many names of a few files, each name another: ``a/./b`` is ``a/b``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.csv")
        with path.open("w") as file:
            file.write("path\n")
            for number in range(count):
                photo = photos[number % len(photos)]
                file.write(f"{photo.parent.absolute()}/{'./' * (number % 7)}{photo.name}\n")
        yield path


@contextlib.contextmanager
def _scoring(
    args: argparse.Namespace, table: Path, folder: str
) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "shufflenet", "score", str(table), "--out", f"{folder}/out"]
    command += ["--runtime", args.runtime, *(["--cluster", "local"] if args.cluster else [])]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
