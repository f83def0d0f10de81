"""An object file linked into a library or WebAssembly module, by the linkers of wheel ``ziglang``.

LLVM's linkers (https://lld.llvm.org) for ELF, COFF and WebAssembly, and Zig's for Mach-O, which
signs the library as Apple's processors demand. None of them needs a C library of the target.
"""

import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shufflenet.errors import LinkError, MissingDependency

__all__ = ["Linked", "check_linker", "link"]

_STACK_BYTES = 65536  # of WebAssembly, below the data: beyond it a module stops and harms nothing
_PAGE_BYTES = 65536  # the largest page of any system that these libraries run on: AArch64 Linux
_MACHO = {0x01000007: "x86_64-macos.11.0", 0x0100000C: "aarch64-macos.11.0"}  # by cputype


@dataclass(frozen=True, slots=True)
class Linked:
    """What a linker made of an object.

    Attributes:
        content: The library or WebAssembly module.
        import_library: What programs for Windows are linked with, the ``.lib`` beside a ``.dll``;
            empty elsewhere.
    """

    content: bytes
    import_library: bytes = b""


def check_linker() -> None:
    """Check that there is a linker.

    Raises:
        MissingDependency: the package ``ziglang`` is not installed.
    """
    try:
        import ziglang  # noqa: F401, PLC0415  # objects and archives do without
    except ModuleNotFoundError as error:
        instead = "A .o or .a needs none: link it with your own tools."
        raise MissingDependency("The linker", "ziglang", "compile", instead) from error


def link(content: bytes, name: str, exports: Sequence[str]) -> Linked:
    """Return an object as a library of its own format, which needs nothing but itself.

    ELF becomes a shared object, COFF a DLL, Mach-O a ``.dylib`` and WebAssembly a module with its
    memory and ``__heap_base``, the address from which memory is free. The same object and name
    give the same bytes.

    Args:
        content: An object file without undefined symbols.
        name: The file's name, such as ``libnet.so``: programs look for the library by it.
        exports: The functions that it exports, and no others; at least one.

    Raises:
        MissingDependency: the package ``ziglang`` is not installed.
        LinkError: the linker failed.
    """
    check_linker()
    with tempfile.TemporaryDirectory(prefix="shufflenet-link-") as place:
        folder = Path(place)
        (folder / "in.o").write_bytes(content)
        (folder / "out").mkdir()
        _run(_command(content, name, exports, folder), name, folder)
        library = folder / "import.lib"
        return Linked(
            (folder / "out" / name).read_bytes(), library.read_bytes() if library.exists() else b""
        )


def _command(content: bytes, name: str, exports: Sequence[str], folder: Path) -> list[str]:
    """Return the linker for an object's format, with its arguments."""
    out = f"out/{name}"  # a DLL remembers the name by which it was written
    match content[:4]:
        case b"\0asm":
            return ["wasm-ld", "in.o", "-o", out, *_wasm_options(exports)]
        case b"\x7fELF":
            names = "".join(f"{each}; " for each in exports)
            (folder / "exports").write_text(f"{{ global: {names}local: *; }};", "ascii")
            return ["ld.lld", "in.o", "-o", out, *_elf_options(name)]
        case b"\xcf\xfa\xed\xfe":
            (cpu,) = struct.unpack_from("<I", content, 4)
            return ["build-lib", "in.o", f"-femit-bin={out}", *_macho_options(name, _MACHO[cpu])]
        case _:
            return ["lld-link", "in.o", f"/out:{out}", *_coff_options(name, exports, folder)]


def _wasm_options(exports: Sequence[str]) -> list[str]:
    # Blocks of data stay apart, so that those of two modules can be told to be the same.
    names = [f"--export={each}" for each in (*exports, "__heap_base")]
    options = ["--no-entry", "--strip-all", "--stack-first", "--no-merge-data-segments"]
    return [*options, "-z", f"stack-size={_STACK_BYTES}", *names]


def _elf_options(name: str) -> list[str]:
    options = ["-shared", "-soname", name, "--version-script=exports", "--build-id=none"]
    options += ["--no-undefined", "--hash-style=both", "--gc-sections", "--strip-all"]
    for each in ("relro", "now", "noexecstack", f"max-page-size={_PAGE_BYTES}"):
        options += ["-z", each]
    return options


def _macho_options(name: str, target: str) -> list[str]:
    # A module of Zig's own is not made, and what Zig would keep goes with the folder.
    options = ["-dynamic", "-target", target, "-OReleaseSmall", "-fstrip", "-fno-compiler-rt"]
    options += ["-fno-ubsan-rt", "-install_name", f"@rpath/{name}"]
    return [*options, "--cache-dir", "cache", "--global-cache-dir", "cache"]


def _coff_options(name: str, exports: Sequence[str], folder: Path) -> list[str]:
    # LLVM's code names `_fltused` where floats are used; the C library of Windows defines it.
    (folder / "exports.def").write_text(
        f'LIBRARY "{name}"\nEXPORTS\n' + "".join(f"{each}\n" for each in exports), "ascii"
    )
    options = ["/nologo", "/dll", "/noentry", "/def:exports.def"]
    return [
        *options,
        "/implib:import.lib",
        "/Brepro",
        "/opt:ref",
        f"/alternatename:_fltused={exports[0]}",
    ]


def _run(command: list[str], name: str, folder: Path) -> None:
    """Run a linker in a folder; nothing that it prints is shown.

    Raises:
        LinkError: it failed, or could not be run.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ziglang", *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise LinkError(name, str(error.strerror)) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or ["it printed nothing"]
        errors = [line.partition("error:")[2].strip() for line in lines if "error:" in line]
        raise LinkError(name, (errors or lines)[0])
