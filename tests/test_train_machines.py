"""Two machines train as one with two processes does, and outlive the death of either."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Run
from machines import two_machines, why_not
from run_states import differences
from training_together import (
    arguments,
    draw_noise,
    start_on_both,
    train_here,
    wait_for_second_epoch,
)

ENOUGH_S = 300  # for a busy machine; what waits here ends by itself long before


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_noise(tmp_path / "images")


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_two_machines_of_which_one_is_killed_end_as_one_does(images: Path, tmp_path: Path) -> None:
    """They share no folder: the second gets what the first has saved."""
    with two_machines(tmp_path) as machines:
        survivor, killed = start_on_both(machines, images, tmp_path)
        wait_for_second_epoch(tmp_path / "one" / "run", survivor)
        machines[1].kill_all()
        assert survivor.wait(ENOUGH_S) == 1
        assert killed.wait(ENOUGH_S) != 0
        said = (tmp_path / "one" / "notes.txt").read_text()
        assert "lost another process that trains in it (" in said
        assert "with --resume." in said
        assert "rank0" not in said  # torch writes tracebacks behind it
        resumed = start_on_both(machines, images, tmp_path, "--resume")
        assert [each.wait(ENOUGH_S) for each in resumed] == [0, 0], said
        assert all(machine.bytes_received() > 1_000_000 for machine in machines)
    assert not any((tmp_path / "two" / "run").glob("*"))
    train_here(images, tmp_path / "alone")
    assert not differences(tmp_path / "alone", tmp_path / "one" / "run")


def test_machines_that_would_train_different_things_are_refused(
    images: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, *arguments(images, tmp_path / "run", "--nodes", "2", *more)],
            env=os.environ | meet | {"NODE_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, more in enumerate(([], ["--mixup", "0.5"]))
    ]
    for each in started:
        _, said = each.communicate(timeout=ENOUGH_S)
        assert each.returncode == 1
        assert (
            "is shared by processes that differ (recipe: --mixup: 0 in process 0, 0.5 in "
            "process 1). Start the same command" in said
        )
    assert not (tmp_path / "run").exists()


def test_other_devices_than_torchrun_started_are_refused(
    run: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    _, _, *train = arguments(images, tmp_path / "run", "--nodes", "2", "--devices", "2")
    code, _, err = run(*train)
    assert code == 1
    assert (
        "devices and nodes is (2, 2), but must be the numbers of processes and machines that "
        "torchrun or Slurm started." in err
    )
