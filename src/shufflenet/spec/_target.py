"""The processors that code is generated for."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from shufflenet.errors import SpecError

__all__ = ["TARGETS", "ByteMultiply", "Target"]

ByteMultiply: TypeAlias = Literal[
    "portable",  # by what LLVM has for every processor
    "AVX2",
    "AVX-VNNI",
    "AVX-512 VNNI",
    "AMX",
    "NEON",  # widening multiplies
    "NEON dotprod",
    "NEON i8mm",
    "SMLAD",  # of Cortex-M: pairs of int16
    "WebAssembly SIMD",
    "WebAssembly relaxed SIMD",
    "RVV",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A processor that code is generated for.

    Attributes:
        triple: LLVM's name of architecture, vendor and system, such as ``aarch64-linux-gnu``.
        cpu: LLVM's name of the processor; empty for the architecture's baseline.
        features: LLVM's list of features, such as ``+avx2,+fma``.
        abi: LLVM's name of the calling convention where the triple leaves it open.
        vector_bytes: Bytes of the vectors that float32 code is written with; 4 without vectors.
        registers: Registers of such vectors.
        multiplies_bytes: The instructions that int8 code multiplies by.
        levels: Targets, each faster than those before, whose code a file holds in its place, to
            choose one when it runs (``levels_for``); the first runs wherever this one does.
    """

    triple: str
    cpu: str = ""
    features: str = ""
    abi: str = ""
    vector_bytes: int = 16
    registers: int = 16
    multiplies_bytes: ByteMultiply = "portable"
    levels: "tuple[Target, ...]" = ()

    def __post_init__(self) -> None:
        if self.vector_bytes not in (4, 16, 32, 64):
            raise SpecError("vector_bytes", self.vector_bytes, "4, 16, 32 or 64")
        if self.registers not in (8, 16, 32):
            raise SpecError("registers", self.registers, "8, 16 or 32")

    def levels_for(self, *, float32: bool, int8: bool) -> "list[Target]":
        """Return the levels that differ for layers of these kinds; without levels, the target.

        >>> [t.cpu for t in TARGETS["x86-64-any"].levels_for(float32=True, int8=False)]
        ['x86-64', 'x86-64-v3', 'x86-64-v4']
        >>> [t.cpu for t in TARGETS["x86-64-any"].levels_for(float32=False, int8=True)]
        ['x86-64', 'x86-64-v3', 'x86-64-v3', 'x86-64-v4']
        """
        chosen: dict[object, Target] = {}
        for each in self.levels or (self,):
            kinds = each.cpu if float32 else "", each.multiplies_bytes if int8 else ""
            chosen.setdefault(kinds, each)
        return list(chosen.values())

    @property
    def is_arm(self) -> bool:
        """Whether the architecture is AArch64 or 32-bit ARM.

        >>> TARGETS["aarch64-macos"].is_arm
        True
        """
        return self.triple.startswith(("aarch64", "arm"))

    @property
    def is_wasm(self) -> bool:
        """Whether the code is WebAssembly, which an engine compiles for its processor."""
        return self.triple.startswith("wasm")


# Names, features and levels are those of LLVM 22; the levels of x86-64 those of its psABI. A file
# of several levels names no processor, for that has instructions which others of its level lack.
def _x86_levels(triple: str) -> tuple[Target, ...]:
    """Return the levels of a file for every x86 of a system."""
    v3 = Target(triple=triple, cpu="x86-64-v3", vector_bytes=32, multiplies_bytes="AVX2")
    v4 = Target(
        triple=triple, cpu="x86-64-v4", vector_bytes=64, registers=32, multiplies_bytes="AVX2"
    )
    return (
        # Vectors of the next level, to share weights; fewer, for each takes two registers.
        Target(triple=triple, cpu="x86-64", vector_bytes=32, registers=8),
        v3,
        replace(v3, features="+avxvnni", multiplies_bytes="AVX-VNNI"),
        v4,
        replace(v4, features="+avx512vnni", multiplies_bytes="AVX-512 VNNI"),
    )


_LINUX, _MACOS, _WINDOWS = (
    "x86_64-unknown-linux-gnu",
    "x86_64-apple-macosx11.0.0",
    "x86_64-pc-windows-msvc",
)
_X86_LEVELS = _x86_levels(_LINUX)

TARGETS: dict[str, Target] = {
    "aarch64-linux": Target(
        triple="aarch64-unknown-linux-gnu", registers=32, multiplies_bytes="NEON"
    ),
    "aarch64-linux-dotprod": Target(
        triple="aarch64-unknown-linux-gnu",
        features="+v8.2a,+dotprod",
        registers=32,
        multiplies_bytes="NEON dotprod",
    ),
    "aarch64-linux-i8mm": Target(
        triple="aarch64-unknown-linux-gnu",
        features="+v8.2a,+dotprod,+i8mm",
        registers=32,
        multiplies_bytes="NEON i8mm",
    ),
    "aarch64-macos": Target(
        triple="arm64-apple-macosx11.0.0",
        cpu="apple-m1",
        registers=32,
        multiplies_bytes="NEON dotprod",
    ),
    # Every Android since 5.0 has what these rows ask for: developer.android.com/ndk/guides/abis
    "aarch64-android": Target(
        triple="aarch64-unknown-linux-android21", registers=32, multiplies_bytes="NEON"
    ),
    "aarch64-windows": Target(
        triple="aarch64-pc-windows-msvc", registers=32, multiplies_bytes="NEON"
    ),
    "aarch64-none": Target(
        triple="aarch64-unknown-none-elf", registers=32, multiplies_bytes="NEON"
    ),
    "armv7-linux": Target(
        triple="armv7-unknown-linux-gnueabihf", features="+neon,+vfp4", multiplies_bytes="NEON"
    ),
    "armv7-android": Target(
        triple="armv7-unknown-linux-androideabi21", features="+neon", multiplies_bytes="NEON"
    ),
    # Hard float, as boards' projects set it. Of 32 single registers, 24 hold sums.
    "cortex-m4": Target(
        triple="thumbv7em-unknown-none-eabihf",
        cpu="cortex-m4",
        vector_bytes=4,
        registers=32,
        multiplies_bytes="SMLAD",
    ),
    "cortex-m7": Target(
        triple="thumbv7em-unknown-none-eabihf",
        cpu="cortex-m7",
        vector_bytes=4,
        registers=32,
        multiplies_bytes="SMLAD",
    ),
    "cortex-m33": Target(
        triple="thumbv8m.main-unknown-none-eabihf",
        cpu="cortex-m33",
        vector_bytes=4,
        registers=32,
        multiplies_bytes="SMLAD",
    ),
    "riscv64-linux": Target(
        triple="riscv64-unknown-linux-gnu",
        features="+m,+a,+f,+d,+c",
        abi="lp64d",
        vector_bytes=4,
        registers=32,
    ),
    # V, with registers of 16 bytes or more.
    "riscv64-v-linux": Target(
        triple="riscv64-unknown-linux-gnu",
        features="+m,+a,+f,+d,+c,+v",
        abi="lp64d",
        registers=32,
        multiplies_bytes="RVV",
    ),
    "riscv64-none": Target(
        triple="riscv64-unknown-none-elf",
        features="+m,+a,+f,+d,+c",
        abi="lp64d",
        vector_bytes=4,
        registers=32,
    ),
    "wasm32": Target(
        triple="wasm32-unknown-unknown",
        features="+simd128",
        multiplies_bytes="WebAssembly SIMD",
    ),
    # With fused multiply-adds and products of bytes. Not every browser has them: https://webassembly.org/features
    "wasm32-relaxed": Target(
        triple="wasm32-unknown-unknown",
        features="+simd128,+relaxed-simd",
        multiplies_bytes="WebAssembly relaxed SIMD",
    ),
    "x86-64": Target(triple="x86_64-unknown-linux-gnu", cpu="x86-64"),
    "x86-64-any": Target(triple=_LINUX, cpu="x86-64", levels=_X86_LEVELS),
    "x86-64-v3": _X86_LEVELS[1],
    "x86-64-v4": _X86_LEVELS[3],
    "x86-64-avx-vnni": Target(
        triple="x86_64-unknown-linux-gnu",
        cpu="alderlake",
        vector_bytes=32,
        multiplies_bytes="AVX-VNNI",
    ),
    "x86-64-avx512-vnni": Target(
        triple="x86_64-unknown-linux-gnu",
        cpu="icelake-server",
        vector_bytes=64,
        registers=32,
        multiplies_bytes="AVX-512 VNNI",
    ),
    "x86-64-amx": Target(
        triple="x86_64-unknown-linux-gnu",
        cpu="sapphirerapids",
        vector_bytes=64,
        registers=32,
        multiplies_bytes="AMX",
    ),
    "x86-64-android": Target(triple="x86_64-unknown-linux-android21", cpu="x86-64-v2"),
    "x86-64-macos": Target(triple=_MACOS, cpu="penryn"),
    "x86-64-macos-any": Target(triple=_MACOS, cpu="x86-64", levels=_x86_levels(_MACOS)),
    "x86-64-windows": Target(triple=_WINDOWS, cpu="x86-64"),
    "x86-64-windows-any": Target(triple=_WINDOWS, cpu="x86-64", levels=_x86_levels(_WINDOWS)),
}
