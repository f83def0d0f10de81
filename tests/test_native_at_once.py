"""Kept machine code where ten processes write and remove it at once, and where the disk is full."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("resource")  # not on Windows

WHAT = """
import logging, os, resource, sys
import numpy as np
from dataclasses import replace
from shufflenet.machine import host_target
from shufflenet.native import KeptCode, NativeCode, Sizes, _keep

SIZES = Sizes(shape=(3, 8, 9), arena_bytes=4096, dtype="uint8", features_at=64, features_pitch=128,
              classes=11, logits_pitch=16, takes_pixels=True, images=4)

def code(number):
    return NativeCode(triple="t", functions=bytes([number]) * 5000, sizes=SIZES,
                      constants=np.full(30_000, number, np.uint8), tables=np.arange(33, dtype="i4"))

def kept(number):
    return KeptCode(str(number) * 64, host_target(int8=False))
"""

TEN = """
_keep._MOST_FILES = 4  # each process removes what others have just written or are reading

def work(own):
    found = 0
    for turn in range(30):
        number = (own + turn) % 7
        kept(number).write(code(number))
        for other in (number, (number + 3) % 7):
            read = kept(other).read(SIZES.shape)
            if read is not None:
                found += 1
                assert read.functions == code(other).functions
                assert (read.constants == other).all()
    return found

children = []
for own in range(10):
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work(own) else 3)
        except BaseException:
            logging.exception("a child")
            os._exit(4)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""

FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # a file ends early, as on a full disk
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
kept(1).write(code(1))
print(kept(1).read(SIZES.shape))
"""


def run(script: str) -> str:
    """Run a script in a process of its own, which may fork and be limited."""
    done = subprocess.run(
        [sys.executable, "-c", WHAT + script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_ten_processes_read_whole_code_or_none(fresh_code: Path) -> None:
    assert run(TEN) == f"{[0] * 10}\n"
    left = [path.name for path in (fresh_code / "code").iterdir()]
    assert 1 <= len(left) <= 7
    assert all(name.endswith(".code") for name in left)


def test_on_a_full_disk_nothing_is_kept_and_nothing_left(fresh_code: Path) -> None:
    told, read = run(FULL).splitlines()
    assert told.startswith("Machine code is not kept: Cannot write")
    assert read == "None"
    assert list((fresh_code / "code").iterdir()) == []
