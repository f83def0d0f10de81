"""From what a user names to a ``Target``: a row of ``TARGETS``, this machine, or LLVM's words."""

from dataclasses import replace

from llvmlite import binding

from shufflenet.compile._instructions import with_instructions
from shufflenet.compile._words import check_words
from shufflenet.errors import SpecError, UnknownTarget
from shufflenet.machine import host_target
from shufflenet.spec import BINARIES, TARGETS, Binary, Target

__all__ = ["HOST", "WEB", "binaries_of", "find_target", "object_format"]

HOST = "host"
WEB = "web"  # a page, which is a folder

# The architectures of LLVM that code is written for: constants are stored as little-endian ones.
_ARCHITECTURES = ("aarch64", "arm", "riscv32", "riscv64", "thumb", "wasm32", "x86", "x86-64")

# What a triple ends in. LLVM itself takes any word for a system that it does not know.
# Source: LLVM 22, llvm/TargetParser/Triple.h, OSType and EnvironmentType
_SYSTEMS = """
android androideabi darwin eabi eabihf elf emscripten freebsd fuchsia gnu gnueabi gnueabihf ios
linux macos macosx msvc musl musleabi musleabihf netbsd none openbsd simulator tvos uefi unknown
wasi wasip watchos windows
"""


def find_target(name: str, cpu: str = "", features: str = "") -> Target:
    """Return the processor that code is generated for.

    Args:
        name: A name of ``spec.TARGETS``, ``host`` for this machine, or one of LLVM's triples.
        cpu: LLVM's name of the processor; the target's own unless given.
        features: LLVM's list of features, such as ``+dotprod,+i8mm``, added to the target's.

    Raises:
        SpecError: it is ``web``, which is no processor.
        UnknownTarget: there is no such target.
        UnknownProcessor: LLVM does not know the processor, or a feature.
    """
    if name == WEB:
        raise SpecError("target", WEB, "a processor's, for a page has code for every browser")
    if name == HOST:
        # AMX has to be asked of Linux, for the whole process: only who names it has that done.
        target = host_target(int8=False)
        target = replace(target, triple=binding.get_default_triple())
    elif name in TARGETS:
        target = TARGETS[name]
    else:
        target = _of_triple(name)
    if not cpu and not features and (name == HOST or name in TARGETS):
        return target
    check_words(target.triple, cpu, features)
    features = ",".join(filter(None, (target.features if not cpu else "", features)))
    own = replace(target, cpu=cpu or target.cpu, features=features, levels=())
    return with_instructions(own)


def _of_triple(triple: str) -> Target:
    """Return a triple's baseline.

    Raises:
        UnknownTarget: LLVM does not know it, or no code is written for its architecture.
    """
    binding.initialize_all_targets()
    _, dash, system = triple.rpartition("-")
    if not dash or system.rstrip("0123456789.") not in _SYSTEMS.split():
        raise UnknownTarget(triple, [HOST, WEB, *TARGETS])
    try:
        architecture = binding.Target.from_triple(triple).name
    except RuntimeError:
        architecture = ""
    if architecture not in _ARCHITECTURES:
        raise UnknownTarget(triple, [HOST, WEB, *TARGETS])
    whole = _with_vendor(triple)
    return Target(triple=whole, abi=_abi(whole))


def _with_vendor(triple: str) -> str:
    """Return a triple with a vendor; where it is left out, LLVM takes the system for it.

    >>> _with_vendor("thumbv7em-none-eabihf"), _with_vendor("aarch64-linux-gnu")
    ('thumbv7em-unknown-none-eabihf', 'aarch64-unknown-linux-gnu')
    >>> _with_vendor("arm64-apple-macosx11.0.0"), _with_vendor("wasm32-unknown-unknown")
    ('arm64-apple-macosx11.0.0', 'wasm32-unknown-unknown')
    """
    architecture, _, rest = triple.partition("-")
    second = rest.partition("-")[0].rstrip("0123456789.")
    has_vendor = second == "unknown" or second not in _SYSTEMS.split()
    return triple if has_vendor else f"{architecture}-unknown-{rest}"


def _abi(triple: str) -> str:
    """Return the calling convention of RISC-V's Linux; of others the triple says it."""
    return "lp64d" if triple.startswith("riscv64") and "linux" in triple else ""


def binaries_of(target: Target) -> dict[str, Binary]:
    """Return the files that a target is compiled into, by their suffixes.

    >>> list(binaries_of(TARGETS["aarch64-linux"])), list(binaries_of(TARGETS["cortex-m7"]))
    (['.o', '.a', '.so'], ['.o', '.a'])
    """
    form, has_loader = object_format(target), "none" not in target.triple.split("-")
    return {
        suffix: each
        for suffix, each in BINARIES.items()
        if form in each.formats and (has_loader or not each.loaded)
    }


def object_format(target: Target) -> str:
    """Return the format of a target's objects.

    >>> object_format(TARGETS["aarch64-macos"]), object_format(TARGETS["wasm32"])
    ('Mach-O', 'WebAssembly')
    """
    triple = target.triple
    if triple.startswith("wasm"):
        return "WebAssembly"
    if any(system in triple for system in ("apple", "macos", "darwin", "-ios")):
        return "Mach-O"
    return "COFF" if "windows" in triple else "ELF"
