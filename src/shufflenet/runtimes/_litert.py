"""LiteRT files (``.tflite``), run by Google's runtime, which was TensorFlow Lite."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.files import read_model
from shufflenet.machine import cores
from shufflenet.preprocess import Pixels, affine, normalize
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._file_input import INPUT_KEY
from shufflenet.runtimes._guard import Guard, loading
from shufflenet.runtimes._inputs import check_batch, check_pixels, to_pixels
from shufflenet.runtimes._litert_file import MOST_BYTES, check_sizes, metadata_in
from shufflenet.runtimes._stderr import silent_stderr
from shufflenet.spec import Arithmetic, Preprocess

__all__ = ["LiteRtClassifier", "open_file", "read_metadata"]

_MOST_IDLE = 4  # interpreters that wait for the next call
_Images = npt.NDArray[np.float32] | Pixels


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "LiteRtClassifier":
    """Open a LiteRT file; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
        MissingDependency: LiteRT is not installed.
    """
    return LiteRtClassifier(path, threads=threads)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the texts in a LiteRT file's metadata, by their names.

    Raises:
        CheckpointError: the file is missing, unreadable or damaged.
        MissingDependency: LiteRT is not installed.
    """
    return metadata_in(path, read_model(path, MOST_BYTES))


class LiteRtClassifier:
    """A LiteRT file with a card inside, run on the CPU, one image after the other.

    Several images at once take longer each: their maps do not fit the processor's caches.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` wrote.
            threads: The number of threads that compute an image; one a core unless given.

        Raises:
            FileMissing: there is no such file.
            DamagedLiteRt: it is no LiteRT file.
            NoCard: it has no card that can be read.
            ChangedExport: it is not as it was written.
            NotRunnable: LiteRT cannot run it.
            MissingDependency: LiteRT is not installed.
        """
        content = read_model(path, MOST_BYTES)
        metadata = metadata_in(path, content)
        self.card = open_card(path, metadata, {Path(path).name: content})
        check_sizes(path, content)
        self._interpreters = _Interpreters(content, threads or cores())
        with loading(path, "LiteRT"), _first_message_hidden():
            self._type = self._interpreters.first().type
        self._takes_pixels = metadata.get(INPUT_KEY) == "pixels"
        self._guard = Guard(path, "LiteRT", self.card.row_shape)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite, or the file takes
                images of another size only.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        how, batch = self.card.preprocess, check_batch(batch, self.card)
        images: _Images = batch
        if self._takes_pixels:
            images = to_pixels(batch, how) if self._type == np.uint8 else _denormalized(batch, how)
        return self._guard.logits(self._run, images.transpose(0, 2, 3, 1))

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type, or the file takes images of another
                size only.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        how, pixels = self.card.preprocess, check_pixels(pixels, self.card)
        if self._takes_pixels:
            return self._guard.logits(self._run, pixels)
        return self._guard.logits(self._run, normalize(pixels, how).transpose(0, 2, 3, 1))

    def _run(self, images: _Images) -> npt.NDArray[np.float32]:
        with self._interpreters.of((1, *images.shape[1:])) as interpreter:
            rows = [
                interpreter.compute(np.ascontiguousarray(image[None], self._type))
                for image in images
            ]
        return np.concatenate(rows)


class _Interpreter:
    """One that computes a batch at a time, of the shape that it was given last."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  # a third of a second

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        (images,) = self._interpreter.get_input_details()
        (logits,) = self._interpreter.get_output_details()
        self.type, self.shape = images["dtype"], tuple(int(side) for side in images["shape"])
        self._images, self._logits = images["index"], logits["index"]
        self._interpreter.allocate_tensors()

    def resize(self, shape: tuple[int, ...]) -> None:
        self._interpreter.resize_tensor_input(self._images, shape)
        self._interpreter.allocate_tensors()
        self.shape = shape

    def compute(self, images: _Images) -> npt.NDArray[np.float32]:
        self._interpreter.set_tensor(self._images, images)
        self._interpreter.invoke()
        logits: npt.NDArray[np.float32] = self._interpreter.get_tensor(self._logits)
        return logits


class _Interpreters:
    """Interpreters of one file, as many as threads compute at the same time."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._content, self._threads = content, threads
        self._lock, self._idle = threading.Lock(), list[_Interpreter]()
        self._own_shape: tuple[int, ...] = ()

    def first(self) -> _Interpreter:
        """Make the first one, which says what the file takes."""
        interpreter = _Interpreter(self._content, self._threads)
        self._own_shape = interpreter.shape
        self._idle.append(interpreter)
        return interpreter

    @contextlib.contextmanager
    def of(self, shape: tuple[int, ...]) -> Iterator[_Interpreter]:
        """Yield an interpreter for images of a shape, which the caller alone uses.

        Raises:
            SpecError: the file takes images of another size only.
        """
        interpreter = self._taken(shape) or _Interpreter(self._content, self._threads)
        if interpreter.shape != shape:
            self._resize(interpreter, shape)
        yield interpreter
        with self._lock:  # one that raised an error is not used again
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(interpreter)

    def _taken(self, shape: tuple[int, ...]) -> _Interpreter | None:
        """Take an idle interpreter, of this shape if there is one."""
        with self._lock:
            if not self._idle:
                return None
            fitting = [n for n, each in enumerate(self._idle) if each.shape == shape]
            return self._idle.pop(fitting[-1] if fitting else -1)

    def _resize(self, interpreter: _Interpreter, shape: tuple[int, ...]) -> None:
        """Resize an interpreter.

        Raises:
            SpecError: the file takes images of another size only, or none that small.
        """
        try:
            interpreter.resize(shape)
        except (RuntimeError, ValueError) as error:
            height, width = self._own_shape[1:3]
            given, expected = f"{shape[1]} x {shape[2]} px", f"{height} x {width} px for this file"
            raise SpecError("the size of the images", given, expected) from error


def _denormalized(batch: npt.NDArray[np.float32], how: Preprocess) -> npt.NDArray[np.float32]:
    """Convert prepared images to RGB values from 0 to 255, both ``(n, 3, h, w)``, unrounded."""
    factors, offsets = (each[:, None, None] for each in affine(how))
    values = ((batch - offsets) / factors).astype(np.float32)
    return values[:, :: -1 if how.channels == "bgr" else 1]


class _Message:
    """Whether LiteRT has said what it says once in a process."""

    lock = threading.Lock()
    said = False


@contextlib.contextmanager
def _first_message_hidden() -> Iterator[None]:
    """Hide what LiteRT writes to stderr when it first computes by XNNPACK, past every setting."""
    with _Message.lock:
        if _Message.said:
            yield
            return
        with silent_stderr():
            yield
        _Message.said = True
