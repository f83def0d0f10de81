"""Binaries: the files that a network is compiled to, one row each."""

from dataclasses import dataclass

__all__ = ["BINARIES", "Binary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A kind of file that a network can be compiled to.

    Attributes:
        suffix: How its files' names end; ``compile --to`` chooses the kind by it.
        title: What it is, in words.
        systems: What it is for, in words; empty for every target.
        formats: The formats of objects that it can be made of.
        linked: Whether a linker makes it, which the extra ``compile`` installs.
        loaded: Whether a system loads it; boards have none.
        sealed: Whether it holds a hash of itself. A ``.dylib`` has its linker's signature instead,
            which macOS checks.
    """

    suffix: str
    title: str
    systems: str = ""
    formats: tuple[str, ...] = ("ELF", "Mach-O", "COFF", "WebAssembly")
    linked: bool = False
    loaded: bool = False
    sealed: bool = False


BINARIES: dict[str, Binary] = {
    binary.suffix: binary
    for binary in (
        Binary(suffix=".o", title="an object file"),
        Binary(suffix=".a", title="a static library"),
        Binary(
            suffix=".so",
            title="a shared library",
            systems="Linux and Android",
            formats=("ELF",),
            linked=True,
            loaded=True,
            sealed=True,
        ),
        Binary(
            suffix=".dylib",
            title="a dynamic library",
            systems="macOS",
            formats=("Mach-O",),
            linked=True,
            loaded=True,
        ),
        Binary(
            suffix=".dll",
            title="a DLL",
            systems="Windows",
            formats=("COFF",),
            linked=True,
            loaded=True,
            sealed=True,
        ),
        Binary(
            suffix=".wasm",
            title="a WebAssembly module",
            systems="browsers and Node",
            formats=("WebAssembly",),
            linked=True,
            sealed=True,
        ),
    )
}
