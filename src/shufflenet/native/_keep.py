"""Machine code kept in the cache folder: by file, processor, versions and shape of images.

A kept file holds the hash of all that follows it. Damaged ones, and those that others than this
user could have written, are passed over: the code is compiled again and replaces them.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import llvmlite
import numpy as np
import numpy.typing as npt
from llvmlite import binding

from shufflenet.errors import NoCacheFolder, SpecError, WriteError
from shufflenet.files import cache_dir, make_private, open_private, write_atomic
from shufflenet.native._code import NativeCode, Sizes
from shufflenet.native._memory import LINE_BYTES, aligned
from shufflenet.outside import read_json, typed
from shufflenet.spec import Target

__all__ = ["KeptCode"]

_log = logging.getLogger(__name__)

_MAGIC = b"shufflenet machine code, 1\n"
_HASH_BYTES, _LENGTH_BYTES = 32, 8
_START = len(_MAGIC) + _HASH_BYTES + _LENGTH_BYTES  # where the header begins
_SUFFIX = ".code"
_MOST_FILES, _MOST_BYTES = 64, 1 << 30  # of all kept files; of one that ships, 6 MB
# What decides which code is made of a file.
_SOURCES = ("codegen", "graph", "native", "preprocess", "spec")
_SOURCE_FILES = ("__init__.py", "int8.py", "machine.py")


@dataclass(frozen=True, slots=True)
class _Header:
    """What a kept file says of itself: what it is for, and the bytes of its parts."""

    key: str
    triple: str
    sizes: Sizes
    constants: int
    tables: int
    functions: int


@dataclass(frozen=True, slots=True)
class KeptCode:
    """The machine code of one file for one processor.

    Attributes:
        content: The SHA-256 of the file, whose card says how pixels become images.
        target: The processor.
        threads: How many threads may compute one image together.
    """

    content: str
    target: Target
    threads: int = 1

    def read(self, shape: tuple[int, ...]) -> NativeCode | None:
        """Read the code for images ``(channels, height, width)``; None if it is not kept."""
        try:
            key = self._key(shape)
            path = _folder() / (key + _SUFFIX)
            code = _parse(_read(path), key)
            with contextlib.suppress(OSError):
                os.utime(path)  # those unused for longest are removed
        except FileNotFoundError:
            return None
        except (OSError, NoCacheFolder, ValueError) as error:  # a SpecError is a ValueError
            _log.info("Kept machine code is not used: %s", error)
            return None
        return code if code.sizes.shape == shape else None

    def has(self, shape: tuple[int, ...]) -> bool:
        """Return whether there is a file with the code for images of a shape, whole or not."""
        try:
            open_private(_folder() / (self._key(shape) + _SUFFIX)).close()
        except (OSError, NoCacheFolder):
            return False
        return True

    def write(self, code: NativeCode) -> None:
        """Write code; where it cannot be written it is not kept."""
        try:
            key = self._key(code.sizes.shape)
            folder = _folder()
            make_private(folder)
            write_atomic(folder / (key + _SUFFIX), _format(code, key))
            _remove_oldest(folder)
        except (OSError, WriteError, NoCacheFolder) as error:
            _log.info("Machine code is not kept: %s", error)

    def _key(self, shape: tuple[int, ...]) -> str:
        """Return the hash of all that code depends on."""
        facts = [self.content, shape, asdict(self.target), self.threads, _versions()]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@cache
def _versions() -> list[object]:
    """Return what makes code: the versions of LLVM, and the hashes of this package's sources.

    A version would not tell the states of a checkout apart, nor would the times of files, which
    some installers set to one and the same.
    """
    package = Path(__file__).parents[1]
    names = sorted(path.relative_to(package).as_posix() for path in _sources(package))
    sources = [[name, hashlib.sha256((package / name).read_bytes()).hexdigest()] for name in names]
    return [llvmlite.__version__, *binding.llvm_version_info, sources]


def _sources(package: Path) -> Iterator[Path]:
    for room in _SOURCES:
        yield from (package / room).rglob("*.py")
    yield from (package / name for name in _SOURCE_FILES)


def _folder() -> Path:
    """Return the folder of kept code.

    Raises:
        NoCacheFolder: the cache folder is not known.
    """
    return cache_dir() / "code"


def _read(path: Path) -> npt.NDArray[np.uint8]:
    """Read a kept file to memory that begins at a cache line, as the constants in it do.

    Raises:
        OSError: it is missing, too large, or others can write it.
    """
    with open_private(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MOST_BYTES:
            raise OSError(errno.EFBIG, "it is too large", str(path))
        content = aligned(size, np.uint8)
        return content[: file.readinto(content.data)]


def _format(code: NativeCode, key: str) -> bytes:
    """Return the content of a file that keeps code."""
    parts = code.constants.tobytes(), code.tables.astype("<i4").tobytes(), code.functions
    header = _Header(key, code.triple, code.sizes, *map(len, parts))
    text = json.dumps(asdict(header)).encode()
    text += b" " * (-(_START + len(text)) % LINE_BYTES)
    body = b"".join([len(text).to_bytes(_LENGTH_BYTES, "little"), text, *parts])
    return _MAGIC + hashlib.sha256(body).digest() + body


def _parse(content: npt.NDArray[np.uint8], key: str) -> NativeCode:
    """Return the code in a kept file, whose arrays are parts of its content.

    Raises:
        SpecError: it was cut or changed, or is for something else.
    """
    body = content[len(_MAGIC) + _HASH_BYTES :]
    if content[: -len(body)].tobytes() != _MAGIC + hashlib.sha256(body.data).digest():
        raise SpecError("a kept file", "damaged", "whole")
    length = int.from_bytes(body[:_LENGTH_BYTES].tobytes(), "little")
    text, parts = content[_START : _START + length], content[_START + length :]
    header = typed(read_json(text.tobytes()), _Header, "header")
    lengths = [header.constants, header.tables, header.functions]
    if header.key != key or min(lengths) < 0 or sum(lengths) != len(parts):
        raise SpecError("a kept file", "of something else", "of this file and processor")
    constants, tables, functions = np.split(parts, np.cumsum(lengths[:2]))
    return NativeCode(
        triple=header.triple,
        functions=functions.tobytes(),
        constants=constants,
        tables=tables.view("<i4").astype(np.int32, copy=False),
        sizes=header.sizes,
    )


def _remove_oldest(folder: Path) -> None:
    """Remove the files that were not used for longest, beyond a number of them or of bytes."""
    states = sorted(
        ((p.stat(), p) for p in folder.glob(f"*{_SUFFIX}")), key=lambda x: -x[0].st_mtime
    )
    total = 0
    for number, (state, path) in enumerate(states):
        total += state.st_size
        if number and (number >= _MOST_FILES or total > _MOST_BYTES):
            path.unlink(missing_ok=True)
