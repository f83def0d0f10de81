"""The gate behind every compiled file: where this machine can run it, it must compute the same."""

import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.codegen import Code
from shufflenet.errors import MissingDependency, ParityError
from shufflenet.preprocess import draw_noise, normalize, scales_bytes
from shufflenet.runtimes import INT8_AGREEMENT, OnnxClassifier, WasmModule, check_image
from shufflenet.spec import FLOAT32_TOLERANCE, Card

__all__ = ["Reference", "check_here", "check_module", "reference"]

_NOISE = 2  # images beside the one of squares

# How the process ends that runs a file: by a signal, or on Windows STATUS_ILLEGAL_INSTRUCTION; or
# with the file's own code.
_LACKS_INSTRUCTIONS = (-signal.SIGILL, 0xC000001D, Code.UNSUPPORTED_PROCESSOR)


@dataclass(frozen=True, slots=True)
class Reference:
    """Images, and the logits that ONNX Runtime computes of the source file.

    Attributes:
        images: Bytes ``(n, h, w, c)``, or prepared images ``(n, c, h, w)`` where the file takes no
            bytes. The first is of ``check_image``, where it is of pixels.
        logits: ``(n, classes)``.
        tolerance: The largest difference that is accepted.
    """

    images: npt.NDArray[np.generic]
    logits: npt.NDArray[np.float32]
    tolerance: float


def reference(path: Path, card: Card) -> Reference:
    """Compute the logits of a few images by ONNX Runtime.

    Args:
        path: The ONNX file that is compiled.
        card: Its card, for the size of images that is compiled.

    Raises:
        CheckpointError: the file cannot be computed.
    """
    classifier, rng, how = (
        OnnxClassifier(path, threads=1),
        np.random.default_rng(0),
        card.preprocess,
    )
    images: npt.NDArray[np.generic]
    if card.takes_pixels:
        pixels = np.concatenate([check_image(how), draw_noise(rng, how, _NOISE)])
        logits = classifier.logits_from_pixels(pixels)
        images = pixels if scales_bytes(how, how.in_channels) else normalize(pixels, how)
    else:
        shape = (_NOISE + 1, card.network.in_channels, *how.size_px)
        floats = rng.standard_normal(shape, np.float32)
        images, logits = floats, classifier.logits(floats)
    of_all = INT8_AGREEMENT if card.int8 else FLOAT32_TOLERANCE
    largest = max(1.0, float(np.abs(logits).max()))
    return Reference(images, logits, of_all * largest)


def check_here(content: bytes, name: str, prefix: str, expected: Reference) -> float | None:
    """Run a compiled file here, and return how far its logits are from the reference.

    It runs in a process of its own, which a wrong instruction would end.

    Args:
        content: An object or a shared library of this machine's system and architecture.
        name: A name with the file's suffix.
        prefix: The prefix of its functions.
        expected: What it should compute.

    Returns:
        The largest difference, or None if this processor lacks instructions that the file uses.

    Raises:
        ParityError: the difference is larger than accepted, or the file does not run.
    """
    with tempfile.TemporaryDirectory(prefix="shufflenet-run-") as place:
        folder = Path(place)
        file, images, logits = (folder / each for each in (name, "images.npy", "logits.npy"))
        file.write_bytes(content)
        np.save(images, expected.images)
        # -P: the folder of this room is no place to import from.
        command = [sys.executable, "-P", str(Path(__file__).with_name("_run_object.py"))]
        done = subprocess.run(
            [*command, str(file), prefix, str(images), str(logits)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode in _LACKS_INSTRUCTIONS:
            return None
        difference = np.inf
        if done.returncode == 0:
            difference = float(np.abs(np.load(logits) - expected.logits).max())
    return _checked(difference, expected)


def check_module(content: bytes, name: str, expected: Reference) -> float | None:
    """Run a WebAssembly module by Wasmtime, and return how far its logits are from the reference.

    Args:
        content: The module.
        name: The file's name, for messages.
        expected: What it should compute.

    Returns:
        The largest difference, or None if Wasmtime is not installed.

    Raises:
        NotLoadable: Wasmtime refuses it.
        ParityError: the difference is larger than accepted.
    """
    try:
        module = WasmModule(name, content)
    except MissingDependency:
        return None
    function = "logits" if expected.images.dtype == np.uint8 else "logits_of_image"
    logits = [module.compute(function, image) for image in expected.images]
    return _checked(float(np.abs(np.stack(logits) - expected.logits).max()), expected)


def _checked(difference: float, expected: Reference) -> float:
    """Return a difference that is accepted.

    Raises:
        ParityError: it is not.
    """
    if not difference <= expected.tolerance:  # so written, NaN is refused too
        raise ParityError("The compiled file", difference, expected.tolerance)
    return difference
