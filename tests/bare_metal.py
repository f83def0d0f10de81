"""Programs for boards without an operating system, built by Arm's compiler and run by QEMU."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

FIRMWARE = Path(__file__).parent / "firmware"


class Board(NamedTuple):
    """A board: QEMU's name of it, options of the compiler, and where flash and RAM begin."""

    machine: str
    options: tuple[str, ...]
    flash: int = 0
    ram: int = 0x20000000


# By the name of a row of ``spec.TARGETS``. Flash and RAM are 4 MB each.
BOARDS = {
    "cortex-m4": Board("mps2-an386", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16")),
    "cortex-m7": Board("mps2-an500", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16")),
    "cortex-m33": Board(
        "mps2-an505", ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16"), 0x10000000, 0x38000000
    ),
}


def build_firmware(target: str, sources: Sequence[Path | str], to: Path) -> Path:
    """Compile and link C sources, objects and archives without a C library; or skip."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    board = BOARDS[target]
    options = ["-std=c11", "-O1", "-Wall", "-Werror", "-mthumb", "-mfloat-abi=hard", "-nostdlib"]
    link = ["-T", str(FIRMWARE / "board.ld"), "-Wl,--no-warn-rwx-segments,--no-warn-execstack"]
    places = [f"-Wl,--defsym=FLASH={board.flash},--defsym=RAM={board.ram}"]
    sources = [FIRMWARE / "board.c", *sources]
    command = ["arm-none-eabi-gcc", *options, *board.options, *map(str, sources), *link, *places]
    subprocess.run([*command, "-o", str(to)], check=True)
    return to


def run_firmware(target: str, firmware: Path) -> str:
    """Return what firmware prints; a nanosecond passes with each instruction. Or skip."""
    if not shutil.which("qemu-system-arm"):
        pytest.skip("qemu-system-arm is not installed")
    command = ["qemu-system-arm", "-M", BOARDS[target].machine, "-nographic", "-monitor", "none"]
    command += ["-serial", "none", "-icount", "shift=0", "-semihosting-config"]
    command += ["enable=on,target=native", "-kernel", str(firmware)]
    # By this version of QEMU or that, semihosting prints to standard output or to standard error.
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout


def write_images(images: np.ndarray, classes: int, memory_bytes: int, to: Path) -> Path:
    """Write what ``firmware/logits.c`` reads: images, ``(n, ...)``, and the working memory."""
    numbers = ", ".join(f"0x{word:x}u" for word in images.ravel().view(np.uint32))
    length = images[0].size
    to.write_text(
        "#include <stdint.h>\n"
        f"const int32_t images = {len(images)}, image_length = {length}, classes = {classes};\n"
        f"const int32_t memory_bytes = {memory_bytes};\n"
        f"const uint32_t image[] = {{{numbers}}};\n"
        f"_Alignas(64) uint8_t memory[{memory_bytes}];\n"
    )
    return to


def compute_logits(
    target: str, network: Path, images: np.ndarray, classes: int, memory_bytes: int
) -> tuple[np.ndarray, list[int]]:
    """Return logits, ``(n, classes)``, that a board computes of images, and its instructions.

    Args:
        target: The board's processor.
        network: The object or archive.
        images: uint8 ``(n, height, width, 3)`` or float32 ``(n, channels, height, width)``.
        classes: How many logits there are.
        memory_bytes: The working memory that the network needs.
    """
    folder = network.parent
    is_bytes = images.dtype == np.uint8
    data = write_images(images, classes, memory_bytes, folder / "images.c")
    name, kind = ("logits", "uint8_t") if is_bytes else ("logits_of_image", "float")
    defines = [f"-DLOGITS=shufflenet_{name}", f"-DIMAGE_TYPE={kind}"]
    sources: list[Path | str] = [*defines, FIRMWARE / "logits.c", data, network]
    printed = run_firmware(target, build_firmware(target, sources, folder / "firmware.elf"))
    rows = [[int(word, 16) for word in line.split()] for line in printed.splitlines()]
    logits = np.array([row[1:] for row in rows], np.uint32).view(np.float32)
    return logits, [row[0] for row in rows]
