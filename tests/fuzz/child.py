"""The process that runs cases and says on stdout what came of each."""

import logging
import os
import resource
import shutil
import sys
import traceback
import warnings
from pathlib import Path

from fuzz.doors import DOORS, Door, WrongAnswer, run_case
from fuzz.seeds import write_seeds

MEMORY = 12 << 30  # bytes of data; a file that wants more is a finding
RESIDENT_GROWTH = 1 << 30  # bytes by which one case may raise the peak
SLOW_SHARE = 5  # doors that are slow get one case in so many rounds


def main(work: Path, first: int, cases: int, doors: list[str]) -> None:
    """Run cases ``first`` and on, each on every chosen door in turn."""
    write_seeds(work / "seeds")
    folder = work / f"cases-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    for photo in (work / "seeds" / "photos").glob("*.jpg"):
        shutil.copy(photo, folder)
    chosen = [door for door in DOORS if not doors or any(part in door.name for part in doors)]
    slow = all(door.slow for door in chosen)
    say = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for number in range(first, first + cases):
        for door in chosen:
            if door.slow and not slow and number % SLOW_SHARE:
                continue
            print("start", door.name, number, sep="\t", file=say, flush=True)
            word, outcome, what = _outcome(door, number, work / "seeds", folder)
            print(word, door.name, number, outcome, what, sep="\t", file=say, flush=True)
    shutil.rmtree(folder, ignore_errors=True)


def _outcome(door: Door, number: int, seeds: Path, folder: Path) -> tuple[str, str, str]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    try:
        outcome = run_case(door, number, seeds, folder)
    except WrongAnswer as wrong:
        return "found", "WRONG", _one_line(str(wrong))
    except Exception as error:  # noqa: BLE001  # each is a finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename}:{last.lineno}"
        return (
            "found",
            type(error).__name__,
            _one_line(f"{type(error).__name__}: {error} ({place})"),
        )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if grown > RESIDENT_GROWTH:
        return "found", "MEMORY", f"the peak rose by {grown >> 20} MB"
    return "done", outcome, ""


def _one_line(text: str) -> str:
    return text[:600].replace("\n", "\\n").replace("\t", " ").encode(errors="replace").decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
