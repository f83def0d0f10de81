"""C programs for other processors, built by Debian's cross compilers and run by qemu."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Machine(NamedTuple):
    """A processor that this one can play: its compiler, its emulator, and their options."""

    compiler: str
    emulator: tuple[str, ...]
    options: tuple[str, ...] = ()


# By the name of a row of ``spec.TARGETS``.
MACHINES = {
    "x86-64": Machine("gcc", ()),
    "aarch64-linux": Machine("aarch64-linux-gnu-gcc", ("qemu-aarch64", "-cpu", "cortex-a72")),
    "aarch64-linux-dotprod": Machine(
        "aarch64-linux-gnu-gcc", ("qemu-aarch64", "-cpu", "neoverse-n1")
    ),
    "aarch64-linux-i8mm": Machine("aarch64-linux-gnu-gcc", ("qemu-aarch64", "-cpu", "max")),
    "armv7-linux": Machine(
        "arm-linux-gnueabihf-gcc", ("qemu-arm", "-cpu", "max"), ("-mfpu=neon-vfpv4",)
    ),
    "riscv64-linux": Machine("riscv64-linux-gnu-gcc", ("qemu-riscv64", "-cpu", "rv64,v=false")),
    "riscv64-v-linux": Machine(
        "riscv64-linux-gnu-gcc", ("qemu-riscv64", "-cpu", "rv64,v=true,vlen=128")
    ),
}


def build_program(target: str, sources: list[Path], to: Path) -> Path:
    """Compile and link C sources, objects and archives, statically; skip without the compiler."""
    machine = MACHINES[target]
    if not shutil.which(machine.compiler):
        pytest.skip(f"{machine.compiler} is not installed")
    command = [machine.compiler, "-std=c11", "-O1", "-Wall", "-Werror", "-static"]
    subprocess.run([*command, *machine.options, *map(str, sources), "-o", str(to)], check=True)
    return to


def run_program(target: str, program: Path, *arguments: str, content: bytes = b"") -> bytes:
    """Return what a program prints; skip where nothing runs it."""
    emulator = MACHINES[target].emulator
    if emulator and not shutil.which(emulator[0]):
        pytest.skip(f"{emulator[0]} is not installed")
    command = [*emulator, str(program), *arguments]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout
