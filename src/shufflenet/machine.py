"""The machine at hand: how many cores it has, and what its processor can do."""

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

from shufflenet.errors import SpecError
from shufflenet.spec import ByteMultiply, Target

__all__ = [
    "MOST_THREADS",
    "PerProcess",
    "amx_permitted",
    "check_threads",
    "cores",
    "host_target",
    "linux_extensions",
    "return_memory",
]

MOST_THREADS = 256  # to compute with: more than the cores of any machine only wait for each other

T = TypeVar("T")


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # fewer than the machine has, in many a container
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int | None) -> None:
    """Check a number of threads to compute with; None stands for one a core.

    Raises:
        SpecError: it is no whole number, less than 1, or more than ``MOST_THREADS``.
    """
    is_whole = isinstance(threads, int) and not isinstance(threads, bool)
    if threads is not None and not (is_whole and 1 <= threads <= MOST_THREADS):
        raise SpecError("threads", threads, f"a whole number from 1 to {MOST_THREADS}")


class PerProcess(Generic[T]):
    """An object that every process makes for itself: of one made before a fork, threads are gone.

    >>> numbers = PerProcess(list)
    >>> numbers.get() is numbers.get()
    True
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return this process's object, which is made when it is first needed."""
        here = os.getpid()
        made = self._made.get(here)
        # Where two threads make one at once, both get the same.
        return self._made.setdefault(here, self._make()) if made is None else made


@cache
def host_target(*, int8: bool) -> Target:
    """Return this machine's processor as a target for code; llvmlite must be installed.

    Args:
        int8: Whether the code multiplies bytes. Only then is the system asked to permit AMX, where
            the processor has it; without, AMX is not named.
    """
    from llvmlite import binding  # noqa: PLC0415  # only what generates code needs it

    features, cpu = binding.get_host_cpu_features(), binding.get_host_cpu_name()
    triple = binding.get_process_triple()
    listed = {name for name, is_there in features.items() if is_there}
    more = _extensions(triple, cpu) - listed
    has = listed | more
    is_wide = "avx512f" in has
    is_arm = triple.startswith(("aarch64", "arm64"))
    return Target(
        triple=triple,
        cpu=cpu,
        features=",".join(filter(None, [features.flatten(), *(f"+{n}" for n in sorted(more))])),
        vector_bytes=64 if is_wide else 32 if "avx" in has else 16,
        registers=32 if is_wide or is_arm else 16,
        multiplies_bytes=_byte_multiply(has, int8=int8),
    )


def _extensions(triple: str, cpu: str) -> set[str]:
    """Return what of AArch64 multiplies bytes, which LLVM lists for no machine."""
    if not triple.startswith(("aarch64", "arm64")):
        return set()
    of_apple = {"dotprod"} if cpu == "apple-m1" else {"dotprod", "i8mm"}
    return {"neon"} | (of_apple if cpu.startswith("apple-m") else linux_extensions())


@cache
def linux_extensions() -> set[str]:
    """Ask Linux which instructions of AArch64 for dot products there are, by LLVM's names.

    Source: kernel.org, ARM64 ELF hwcaps; the bits are those of arch/arm64/include/uapi/asm/hwcap.h
    """
    if not sys.platform.startswith("linux") or platform.machine() != "aarch64":
        return set()
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.restype = ctypes.c_ulong
    bits = {"dotprod": (16, 20), "i8mm": (26, 13)}  # the word's key, and the bit
    return {name for name, (key, bit) in bits.items() if getauxval(key) >> bit & 1}


def _byte_multiply(features: set[str], *, int8: bool) -> ByteMultiply:
    """Return the fastest instructions that multiply bytes, of those that are known."""
    is_wide = features >= {"avx512vnni", "avx512bw", "avx512vl"}
    if is_wide and int8 and features >= {"amx-tile", "amx-int8"} and amx_permitted():
        return "AMX"
    if is_wide:
        return "AVX-512 VNNI"
    if features >= {"avxvnni", "avx2"}:
        return "AVX-VNNI"
    known: list[tuple[str, ByteMultiply]] = [
        ("avx2", "AVX2"),
        ("i8mm", "NEON i8mm"),
        ("dotprod", "NEON dotprod"),
        ("neon", "NEON"),
    ]
    return next((multiply for feature, multiply in known if feature in features), "portable")


def return_memory() -> None:
    """Return freed memory, which glibc would keep for later, to the system; else do nothing.

    Source: malloc_trim(3); it takes some milliseconds.
    """
    if sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@cache
def amx_permitted() -> bool:
    """Ask Linux, once, to let this process use AMX, and return whether it does.

    Source: kernel.org, Using XSTATE features in user space applications
    """
    if not sys.platform.startswith("linux"):
        return False
    arch_prctl, request, tile_data = 158, 0x1023, 18
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request, tile_data) == 0)
