"""WebAssembly modules that ``shufflenet compile`` wrote, run by Wasmtime.

A module is a stranger's code, which can do nothing here but compute: it imports nothing, has memory
of its own, and ends after a number of steps. To count them takes a quarter of the time.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    MissingDependency,
    NotCompiledNetwork,
    NotLoadable,
    ShuffleNetError,
    SpecError,
)
from shufflenet.files import read_model, wasm_sections
from shufflenet.machine import check_threads
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._one_size import OneSize, Proof, check_sealed, read_proof, read_stated
from shufflenet.spec import RUNTIMES, Arithmetic

__all__ = ["WasmClassifier", "WasmModule", "open_file"]

_MOST_BYTES = 1 << 28  # of a file
_MOST_CODE_BYTES = 4 << 20  # some seconds to compile; a network takes a hundredth
_MOST_MEMORY_BYTES = 1 << 31
_MOST_TEXT_BYTES = 1 << 24
# What counts as a step is an instruction. The model that ships takes 190 million for an image; an
# endless loop ends after a minute.
_MOST_STEPS = 1 << 36
_CUSTOM, _CODE = 0, 10  # kinds of sections
_PAGE = b"\x0ashufflenet"  # the name of a section that compile.web writes
_PAGE_BYTES = 65536
_EXPORT = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,99})_logits_of_image")


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "WasmClassifier":
    """Open a module; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, or no compiled network.
        MissingDependency: Wasmtime is not installed.
    """
    return WasmClassifier(path, threads=threads)


class WasmModule:
    """A module of a compiled network. Each thread computes in an instance of its own.

    Attributes:
        proof: What it states of itself.
        card: The text of its card.
    """

    def __init__(self, path: str | Path, content: bytes) -> None:
        """Compile a module for this processor.

        Args:
            path: The file, for messages.
            content: Its bytes.

        Raises:
            MissingDependency: Wasmtime is not installed.
            NotCompiledNetwork: it is no compiled network.
            NotLoadable: Wasmtime refuses it, or its functions do not return.
        """
        try:
            import wasmtime  # noqa: PLC0415  # other runtimes do without
        except ModuleNotFoundError as error:
            raise MissingDependency(*missing_package(RUNTIMES["wasmtime"], error)) from error
        _check_sections(path, content)
        config = wasmtime.Config()
        config.consume_fuel = True
        with _loading(path):
            engine = wasmtime.Engine(config)
            module = wasmtime.Module(engine, content)
            new_store = partial(wasmtime.Store, engine)
            self._new = partial(_Instance, path, module, _prefix(path, module), new_store)
            instance = self._new()
            self.proof = read_proof(path, instance.text("proof"))
            self.card = instance.text("card")
            instance.prepare(self.proof)
        self._own = threading.local()

    def compute(self, name: str, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Compute an image's logits, ``(classes,)``, in this thread's instance.

        Args:
            name: The function: ``logits``, or ``logits_of_image``.
            image: Bytes ``(h, w, channels)``, or floats ``(channels, h, w)``.

        Raises:
            RuntimeError: the function did not return, or returned a code.
        """
        instance = getattr(self._own, "instance", None)
        self._own.instance = None  # one whose function did not return is not used again
        if instance is None:
            instance = self._new()
            instance.prepare(self.proof)
        logits = instance.compute(name, image, self.proof.classes)
        self._own.instance = instance
        return logits


class WasmClassifier:
    """A network that ``shufflenet compile`` wrote as a WebAssembly module.

    It computes images of one size. Several threads may use it.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Open a module.

        Args:
            path: The module.
            threads: How many images are computed at a time, each by one thread; one a core, unless
                given.

        Raises:
            CardUnreadable: its card is damaged or of a newer version.
            ChangedExport: a byte of it was changed since it was written.
            CheckpointError: there is no such file, or it cannot be read.
            MissingDependency: Wasmtime is not installed.
            NotCompiledNetwork: it is no compiled network, or one of another version.
            NotLoadable: Wasmtime refuses it, or its functions do not return.
            SpecError: the number of threads is none that can be.
            UnsupportedByRuntime: it computes images that are not square.
        """
        check_threads(threads)
        content = read_model(path, _MOST_BYTES)
        module = WasmModule(path, content)
        check_sealed(path, content)
        self.proof = module.proof
        stated = read_stated(path, module.proof, module.card)
        self.card = stated.card
        self._images = OneSize(path, stated, module.compute, "Wasmtime", threads)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the module does not compute it, or logits are not finite.
        """
        return self._images.logits(batch)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the module does not compute them, or logits are not finite.
        """
        return self._images.logits_from_pixels(pixels)


class _Instance:
    """A module with memory of its own, of which one thread uses the functions."""

    def __init__(
        self,
        path: str | Path,
        module: Any,  # noqa: ANN401  # of Wasmtime
        prefix: str,
        new_store: Callable[[], Any],
    ) -> None:
        import wasmtime  # noqa: PLC0415  # as above

        self._path, self._prefix = path, prefix
        self._store = new_store()
        limits = {"table_elements": 1 << 16, "instances": 1, "tables": 1, "memories": 1}
        self._store.set_limits(memory_size=_MOST_MEMORY_BYTES, **limits)
        self._store.set_fuel(_MOST_STEPS)
        self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._memory = self._export("memory", wasmtime.Memory)
        self._function = partial(self._export, kind=wasmtime.Func)
        self._begin = int(self._export("__heap_base", wasmtime.Global).value(self._store))
        self._end = self._begin

    def _export(self, name: str, kind: type) -> Any:  # noqa: ANN401  # of Wasmtime
        """Return what a module exports under a name.

        Raises:
            NotCompiledNetwork: there is nothing of that kind.
        """
        found = self._exports.get(name)
        if not isinstance(found, kind):
            raise NotCompiledNetwork(self._path, f"lacks {kind.__name__} {name!r}")
        return found

    def _call(self, name: str, *arguments: int) -> int:
        """Return the whole number that a function returns.

        Raises:
            RuntimeError: it did not return.
        """
        function = self._function(f"{self._prefix}_{name}")
        self._store.set_fuel(_MOST_STEPS)
        try:
            return int(function(self._store, *arguments))
        except Exception as error:  # as in _loading
            raise RuntimeError(_reason(error)) from error

    def text(self, name: str, *numbers: int) -> bytes:
        """Return the text at the address that a function returns."""
        at = self._call(name, *numbers) & 0xFFFFFFFF  # which Wasmtime reads as a signed number
        content = bytes(self._memory.read(self._store, at, at + _MOST_TEXT_BYTES))
        return content.partition(b"\0")[0]

    def prepare(self, proof: Proof) -> None:
        """Prepare working memory, above what the module has in memory.

        Raises:
            RuntimeError: the function did not return, or returned a code.
        """
        self._begin += -self._begin % proof.memory_alignment
        self._end = self._begin + proof.memory_bytes
        self._grow(self._end)
        self._check(self._call("prepare", self._begin, proof.memory_bytes))

    def compute(self, name: str, image: npt.NDArray[Any], classes: int) -> npt.NDArray[np.float32]:
        """Compute the logits of an image, which lie beyond it, above working memory.

        Raises:
            RuntimeError: the function did not return, or returned a code.
        """
        at = self._end + -self._end % image.itemsize
        to = at + image.nbytes + -(at + image.nbytes) % 4
        end = to + 4 * classes
        self._grow(end)
        self._memory.write(self._store, image.tobytes(), at)
        self._check(self._call(name, self._begin, at, to))
        return np.frombuffer(self._memory.read(self._store, to, end), "<f4")

    def _grow(self, size: int) -> None:
        missing = size - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // _PAGE_BYTES))

    def _check(self, code: int) -> None:
        """Raise the sentence that the module has for a code.

        Raises:
            RuntimeError: it is not 0.
        """
        if code:
            raise RuntimeError(self.text("message", code).decode(errors="replace").rstrip("."))


def _check_sections(path: str | Path, content: bytes) -> None:
    """Check that a file is a module with its weights, and is compiled soon.

    Raises:
        NotCompiledNetwork: it is not.
    """
    try:
        sections = list(wasm_sections(content))
    except SpecError as error:
        raise NotCompiledNetwork(path, "is no WebAssembly module, or is cut short") from error
    if any(kind == _CUSTOM and content.startswith(_PAGE, at) for kind, _, at in sections):
        raise NotCompiledNetwork(path, "is the code of a page, whose weights are in another file")
    if sum(len(whole) for kind, whole, _ in sections if kind == _CODE) > _MOST_CODE_BYTES:
        raise NotCompiledNetwork(path, "has more code than any compiled network")


def _prefix(path: str | Path, module: Any) -> str:  # noqa: ANN401  # of Wasmtime
    """Return the prefix of a module's functions.

    Raises:
        NotCompiledNetwork: it has no such functions, those of several networks, or needs others.
    """
    if list(module.imports):
        raise NotCompiledNetwork(path, "needs functions of others, unlike compiled networks")
    found = [match[1] for each in module.exports if (match := _EXPORT.fullmatch(str(each.name)))]
    if len(found) != 1:
        problem = "holds several networks" if found else "is no compiled network"
        raise NotCompiledNetwork(path, problem)
    return found[0]


@contextmanager
def _loading(path: str | Path) -> Iterator[None]:
    """Turn what Wasmtime raises, or a module's function that does not return, into one sentence.

    Raises:
        NotLoadable: something was raised.
        ShuffleNetError: one of this package's own was raised, which passes.
    """
    try:
        yield
    except ShuffleNetError:
        raise
    except Exception as error:  # a stranger's file in a library: any of its errors
        raise NotLoadable(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what Wasmtime says last, after where it happened, without a full stop."""
    *_, last = (str(error).strip() or type(error).__name__).splitlines()
    return last.strip().rstrip(".")[:120]
