"""Core ML packages on macOS, predicted by Core ML itself through coremltools.

This was written from the documentation of coremltools 9.0 and has not been tried on a Mac.
"""

import platform
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import MissingDependency, OtherSystem
from shufflenet.files.mlpackage import ImageInput, Model
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._coreml_package import (
    LOGITS,
    PackageClassifier,
    accepting,
    open_package,
    read_metadata,
)
from shufflenet.spec import RUNTIMES, Arithmetic

__all__ = ["open_file", "read_metadata"]


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> PackageClassifier:
    """Open a package; Core ML chooses threads, processors and the precision of sums itself.

    Raises:
        CheckpointError: the package is missing or damaged, has no card, or Core ML refuses it.
        MissingDependency: coremltools is not installed.
        OtherSystem: this is no Mac.
    """
    if platform.system() != "Darwin":
        raise OtherSystem(path, "Core ML", "macOS", "--runtime coreml-program")
    try:
        import coremltools  # noqa: PLC0415  # seconds, and it is on Macs alone
    except ModuleNotFoundError as error:
        raise MissingDependency(*missing_package(RUNTIMES["coreml"], error)) from error
    card, model = open_package(path)
    with accepting(path, "Core ML"):
        loaded = coremltools.models.MLModel(str(path))
    compute = partial(_compute, loaded, model, threading.Lock())
    return PackageClassifier(path, card, model, compute, "Core ML")


def _compute(
    loaded: Any,  # noqa: ANN401  # it has no types
    model: Model,
    lock: threading.Lock,
    image: npt.NDArray[np.generic],
) -> npt.NDArray[np.float32]:
    """Compute the logits ``(1, classes)`` of an image."""
    from PIL import Image  # noqa: PLC0415  # as coremltools

    is_image = isinstance(model.input, ImageInput)
    colors = image[..., 0] if image.shape[-1] == 1 else image  # gray levels have two axes in Pillow
    value = Image.fromarray(np.asarray(colors, np.uint8)) if is_image else image[None]
    with lock:  # Core ML does not promise that several threads may predict at once
        results = loaded.predict({model.input.name: value})
    return np.asarray(results[LOGITS], np.float32).reshape(1, -1)
