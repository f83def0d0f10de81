"""Fuzz for a given time, or run one case again.

PYTHONPATH=tests python tools/run_fuzzer.py --seconds 3600
PYTHONPATH=tests python tools/run_fuzzer.py --door "int8 by llvm" --case 42
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fuzz.doors import DOORS, run_case
from fuzz.seeds import write_seeds
from fuzz.watch import Finding, watch


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz for a given time, or run one case again.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--first", type=int, default=10**6, help="number of the first case")
    parser.add_argument("--door", action="append", help="part of a door's name; repeat for more")
    parser.add_argument(
        "--case", type=int, help="run this one case of one door, and show its error"
    )
    parser.add_argument("--work", type=Path, help="folder for whole and damaged files")
    return parser.parse_args()


def _run_one(door: str, number: int, work: Path) -> int:
    write_seeds(work / "seeds")
    folder = work / "one"
    folder.mkdir(exist_ok=True)
    chosen = next(each for each in DOORS if door in each.name)
    print(f"{chosen.name}, case {number}, in {folder}: ", flush=True)
    print(run_case(chosen, number, work / "seeds", folder))
    return 0


def main() -> int:
    """Run cases until time is up, print each finding and a summary."""
    args = _arguments()
    work = args.work or Path(tempfile.mkdtemp(prefix="fuzz-"))
    work.mkdir(parents=True, exist_ok=True)
    if args.case is not None:
        return _run_one((args.door or [""])[0], args.case, work)
    end = time.monotonic() + args.seconds
    counts: Counter[str] = Counter()
    outcomes: dict[str, Counter[str]] = {}
    findings: list[Finding] = []
    first = args.first
    while time.monotonic() < end:
        for door, outcome, finding in watch(work, first, args.door, end):
            counts[door] += 1
            outcomes.setdefault(door, Counter())[outcome] += 1
            if finding:
                findings.append(finding)
                print(f"\n{finding}", flush=True)
        first += 10**6
    summary = {door: {"cases": counts[door], **outcomes[door]} for door in sorted(counts)}
    print(json.dumps(summary, indent=1))
    print(f"{counts.total()} cases, {len(findings)} findings; files in {work}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
