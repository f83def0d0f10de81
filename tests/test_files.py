import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save as serialise

from conftest import card_for, with_seeded_weights
from exported import THIN
from shufflenet.errors import CheckpointError, WriteError
from shufflenet.files import (
    Checkpoint,
    narrow,
    read_card,
    read_checkpoint,
    write_atomic,
    write_checkpoint,
)
from shufflenet.networks import build, state_arrays

CARD = card_for(THIN)
TENSORS: dict[str, npt.NDArray[Any]] = {
    **state_arrays(with_seeded_weights(build(THIN))),
    "a": np.array([[0.1, 0.2]], np.float32),
    "b": np.array([0.5, 2.0], np.float32),
    "c": np.array([7], np.int64),
    "d": np.array(0.1, np.float32),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "new folder" / "a.safetensors", Checkpoint(CARD, TENSORS))
    return tmp_path / "new folder" / "a.safetensors"


def test_a_checkpoint_comes_back_as_it_was(file: Path) -> None:
    assert read_card(file) == CARD
    back = read_checkpoint(file)
    assert back.card == CARD
    assert back.tensors.keys() == TENSORS.keys()
    assert all(np.array_equal(back.tensors[key], TENSORS[key]) for key in TENSORS)
    assert back.tensors["a"].dtype == np.float32
    assert back.tensors["b"].dtype == np.float16  # exactly the same numbers, in half the room


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6, 2**-25])
def test_only_what_loses_nothing_is_narrowed(value: float) -> None:
    array = np.array([1.0, value], np.float32)
    back = narrow(array)
    if back.dtype == np.float16:
        assert np.array_equal(back.astype(np.float32), array)


@pytest.mark.parametrize("part", [0, 5, 100, 0.5, 0.99])
def test_a_file_cut_short_is_refused(file: Path, part: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part if part >= 1 else part * len(whole))])
    with pytest.raises(CheckpointError, match="not a complete safetensors file|is empty"):
        read_checkpoint(file)


def test_a_file_without_a_card_or_with_a_strange_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_atomic(path, serialise(TENSORS))
    with pytest.raises(CheckpointError, match="has no card, so another program"):
        read_card(path)
    write_atomic(path, serialise(TENSORS, {"shufflenet": "{}"}))
    with pytest.raises(CheckpointError, match="has a card that cannot be read"):
        read_card(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none.safetensors' does not exist"):
        read_card(tmp_path / "none.safetensors")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left on device. What was there before"):
        write_checkpoint(file, Checkpoint(CARD, {}))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_really_full_is_reported_in_a_sentence() -> None:
    with pytest.raises(WriteError, match="Cannot write '/dev/full/a'"):
        write_atomic("/dev/full/a", b"content")


def test_a_folder_is_no_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder"):
        read_card(tmp_path)


def test_nothing_but_a_file_is_replaced(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(WriteError, match="it is no regular file"):
            write_atomic(path, b"new")
    assert pipe.is_fifo()
    assert folder.is_dir()
    assert len(list(tmp_path.iterdir())) == 2


def test_an_interrupted_write_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(file, b"")
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_a_killed_process_left_is_removed_but_not_what_is_being_written(file: Path) -> None:
    of_this = file.with_name(f".{file.name}.1.partial")
    new = file.with_name(f".{file.name}.2.partial")
    of_other = file.with_name(".b.1.partial")
    for path in (of_this, new, of_other):
        path.write_bytes(b"half")
    hours_ago = time.time() - 7200
    for path in (of_this, of_other):
        os.utime(path, (hours_ago, hours_ago))
    write_atomic(file, b"whole")
    assert {path.name for path in file.parent.iterdir()} == {file.name, new.name, of_other.name}


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGTERM, 143, "Terminated.\n"), (signal.SIGINT, 130, "Interrupted.\n")],
)
def test_a_signal_leaves_nothing_half_written(
    number: int, code: int, said: str, file: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "a.safetensors"
    foreign.write_bytes(serialise(TENSORS))
    program = (
        # Processes started in the background inherit that Ctrl-C is ignored.
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from shufflenet import cli, convert; from shufflenet.files import *;"
        f"os.fsync = lambda handle: os.kill(os.getpid(), {number:d});"
        f"made = convert.Converted(checkpoint=read_checkpoint({str(file)!r}), layout='', "
        "max_abs_difference=0);"
        "convert.convert_checkpoint = lambda *arguments, **options: made;"
        f"sys.exit(cli.main(['convert', {str(foreign)!r}, '--to', {str(file)!r}]))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
