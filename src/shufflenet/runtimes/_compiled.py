"""Libraries that ``shufflenet compile`` wrote, loaded by ctypes.

Loading a library runs its code, so that one must trust whoever made it. A file without the names of
a compiled network's functions is not loaded at all.
"""

import ctypes
import hashlib
import os
import re
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import NotCompiledNetwork, NotLoadable
from shufflenet.files import read_model
from shufflenet.machine import check_threads
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._one_size import (
    OneSize,
    check_sealed,
    read_proof,
    read_stated,
    takes_pixels,
)
from shufflenet.spec import Arithmetic

__all__ = ["CompiledClassifier", "open_file"]

_MOST_BYTES = 1 << 31
_NAME = re.compile(rb"\0_?([A-Za-z_][A-Za-z0-9_]{0,99})_logits_of_image(?=\0)")
_TEXT = ctypes.CFUNCTYPE(ctypes.c_char_p)
_PREPARE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_COMPUTE = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)
_MESSAGE = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int32)

# Of each path the files that were loaded from it: their numbers, and the hashes of their contents.
_loaded: dict[Path, dict[tuple[int, int], bytes]] = {}


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "CompiledClassifier":
    """Open a library; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, or none that this machine can run.
    """
    return CompiledClassifier(path, threads=threads)


class CompiledClassifier:
    """A network that ``shufflenet compile`` wrote as a library for this machine.

    It computes images of one size. Several threads may use it; each computes in its own memory.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a library, whose code runs from then on.

        Args:
            path: The library.
            threads: How many images are computed at a time, each by one thread; one a core, unless
                given.

        Raises:
            CardUnreadable: its card is damaged or of a newer version.
            ChangedExport: a byte of it was changed since it was written.
            CheckpointError: there is no such file, or it cannot be read.
            NotCompiledNetwork: it is no compiled network, or one of another version.
            NotLoadable: this machine cannot load it.
            SpecError: the number of threads is none that can be.
            UnsupportedByRuntime: it computes images that are not square.
        """
        check_threads(threads)
        content = read_model(path, _MOST_BYTES)
        library = _load(Path(path), content, _prefix(path, content))
        self.proof = read_proof(path, library("proof", _TEXT)())
        stated = read_stated(path, self.proof, library("card", _TEXT)())
        self.card = stated.card
        self._message = library("message", _MESSAGE)
        self._prepare = library("prepare", _PREPARE)
        self._functions = {"logits_of_image": library("logits_of_image", _COMPUTE)}
        if takes_pixels(self.card):
            self._functions["logits"] = library("logits", _COMPUTE)
        self._images = OneSize(path, stated, self._compute, "its own machine code", threads)
        self._own = threading.local()
        if code := self._prepare(self._memory(), self.proof.memory_bytes):
            raise NotLoadable(path, self._sentence(code))

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: logits are not finite.
        """
        return self._images.logits(batch)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: logits are not finite.
        """
        return self._images.logits_from_pixels(pixels)

    def _compute(self, function: str, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Compute an image's logits, ``(classes,)``, in this thread's memory.

        Raises:
            RuntimeError: the function returned a code.
        """
        logits = np.empty(self.proof.classes, np.float32)
        image = np.ascontiguousarray(image)
        call = self._functions[function]
        if code := call(self._memory(), image.ctypes.data, logits.ctypes.data):
            raise RuntimeError(self._sentence(code))
        return logits

    def _memory(self) -> int:
        """Return the address of this thread's working memory, which is prepared."""
        if not hasattr(self._own, "address"):
            alignment = self.proof.memory_alignment
            block = np.zeros(self.proof.memory_bytes + alignment, np.uint8)
            address = block.ctypes.data + -block.ctypes.data % alignment
            self._prepare(address, self.proof.memory_bytes)
            # Last of all, for an interrupt may come in between.
            self._own.block, self._own.address = block, address
        address = self._own.address
        return int(address)

    def _sentence(self, code: int) -> str:
        text: bytes = self._message(code) or b""
        return text.decode(errors="replace").rstrip(".")


def _prefix(path: str | Path, content: bytes) -> str:
    """Return the prefix of a library's functions.

    Raises:
        NotCompiledNetwork: it has no such functions, or those of several networks.
    """
    found: set[str] = {match.decode() for match in _NAME.findall(content)}
    if len(found) != 1:
        problem = "holds several networks" if found else "is no compiled network"
        raise NotCompiledNetwork(path, problem)
    return found.pop()


def _load(path: Path, content: bytes, prefix: str) -> Callable[[str, Any], Any]:
    """Load a library, and return what finds a function of it by name and type.

    Raises:
        NotLoadable: this machine cannot load it.
        NotCompiledNetwork: it lacks a function.
        ChangedExport: a byte of it was changed.
    """
    if not _is_whole(content):
        raise NotLoadable(path, "it is cut short")
    check_sealed(path, content)
    name = _name(path, content)
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        _loaded[path.absolute()].popitem()  # another may get its number
        raise NotLoadable(path, str(error).removeprefix(f"{name}: ")) from error

    def find(name: str, kind: Any) -> Any:  # noqa: ANN401  # of ctypes
        try:
            return kind((f"{prefix}_{name}", library))
        except AttributeError as error:
            raise NotCompiledNetwork(path, f"lacks the function {name!r}") from error

    return find


def _name(path: Path, content: bytes) -> str:
    """Return a name that loads what is at a path now.

    Under a name that was loaded before, systems return the library that it named then. A file that
    was put in its place since gets another name: one "./" longer for each before it.

    Raises:
        NotLoadable: the library that was loaded was itself written anew, and is used as it was.
    """
    path, status = path.absolute(), os.stat(path)
    files = _loaded.setdefault(path, {})
    number, content_hash = (status.st_dev, status.st_ino), hashlib.sha256(content).digest()
    if files.setdefault(number, content_hash) != content_hash:
        raise NotLoadable(path, "it was overwritten while this process used it")
    return os.path.join(path.parent, *["."] * [*files].index(number), path.name)


def _is_whole(content: bytes) -> bool:
    """Return whether an ELF file has all that is loaded of it; Linux would end the process.

    Other systems check it themselves.

    Source: Tool Interface Standard, Executable and Linking Format 1.2, "Program Header"
    """
    if not content.startswith(b"\x7fELF"):
        return True
    is_long = content[4:5] == b"\2"
    table, entry, at = (32, "<I4xQ16xQ", 54) if is_long else (28, "<II8xI", 42)
    try:
        (start,) = struct.unpack_from("<Q" if is_long else "<I", content, table)
        size, count = struct.unpack_from("<HH", content, at)
        entries = [struct.unpack_from(entry, content, start + n * size) for n in range(count)]
    except struct.error:
        return False
    return all(offset + length <= len(content) for _, offset, length in entries)
