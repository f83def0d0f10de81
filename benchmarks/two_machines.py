"""Whether two machines train as one does, and outlive the death of either: real processes, kills.

    python benchmarks/two_machines.py > benchmarks/two_machines.json

The machines are namespaces of this one, each with its own network, names, processes and folders;
they meet over a link of their own, by the command of ``docs/training.md``. Trained are the smallest
network and a few images of noise: in two processes of this machine; on both machines; and twice
more on both, where within the second epoch every process of one machine is killed, the second or
the first, and both are started again with ``--resume``. Weights and optimizers are compared to the
bit.
Needs the extra ``train``, Linux, root, util-linux and iproute2.
"""

import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from machines import Machine, two_machines, why_not
from run_states import differences
from training_together import (
    draw_noise,
    start_on_both,
    train_here,
    wait_for_second_epoch,
)

Row = dict[str, object]


def main() -> None:
    """Train everything and print the result as JSON.

    Raises:
        SystemExit: this machine cannot play two, a training failed, or weights differ.
    """
    reason = why_not()
    if reason:
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = draw_noise(folder / "images")
        train_here(images, folder / "alone")
        with two_machines(folder) as machines:
            rows = [_to_the_end(machines, folder, images)]
            rows += [_killed(machines, folder, images, which) for which in (1, 0)]
    software = {"torch": torch.__version__, "machine": platform.machine()}
    print(json.dumps({"software": software, "runs": rows}, indent=1))
    if not all(row["weights_equal"] for row in rows):
        raise SystemExit("Weights differ.")


def _to_the_end(machines: Sequence[Machine], folder: Path, images: Path) -> Row:
    here = folder / "both"
    before = [machine.bytes_received() for machine in machines]
    _end_well(start_on_both(machines, images, here), here)
    moved = [each.bytes_received() - count for each, count in zip(machines, before, strict=True)]
    return {
        "killed": None,
        "weights_equal": not differences(folder / "alone", here / "one" / "run"),
        "bytes_received": moved,
        "steps": _rows(here)[-1]["step"],
    }


def _killed(machines: Sequence[Machine], folder: Path, images: Path, which: int) -> Row:
    here = folder / f"killed-{which}"
    started = start_on_both(machines, images, here)
    wait_for_second_epoch(here / "one" / "run", started[0])
    machines[which].kill_all()
    killed_at = time.monotonic()
    survivor = started[1 - which].wait()
    seconds = time.monotonic() - killed_at
    started[which].wait()
    steps = int(torch.load(here / "one" / "run" / "last.pt", weights_only=True)["progress"]["step"])
    said = (here / machines[1 - which].name / "notes.txt").read_text().splitlines()
    _end_well(start_on_both(machines, images, here, "--resume"), here)
    return {
        "killed": machines[which].name,
        "step": steps,
        "survivor_exit_code": survivor,
        "survivor_said": [line.replace(str(folder), "") for line in said if "lost another" in line],
        "survivor_ended_after_s": round(seconds, 1),
        "weights_equal": not differences(folder / "alone", here / "one" / "run"),
        "steps": _rows(here)[-1]["step"],
    }


def _end_well(started: "list[subprocess.Popen[str]]", folder: Path) -> None:
    """Wait for both machines' commands.

    Raises:
        SystemExit: one of them failed; with what both said.
    """
    codes = [each.wait() for each in started]
    if any(codes):
        notes = sorted(folder.glob("*/notes.txt"))
        raise SystemExit("\n".join(path.read_text() for path in notes))


def _rows(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "one" / "run" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


if __name__ == "__main__":
    main()
