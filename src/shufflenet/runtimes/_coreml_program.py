"""Core ML packages on any machine: the program is read back from the file and computed.

This shows that operations, weights, constants and the image's scaling, as the file states them, are
the network's. It does not show what Apple's compiler and processors make of them.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DamagedPackage, UnsupportedByRuntime
from shufflenet.files.mlpackage import ImageInput, Model
from shufflenet.runtimes._coreml_graph import Unsupported, to_onnx
from shufflenet.runtimes._coreml_package import (
    LOGITS,
    PackageClassifier,
    accepting,
    open_package,
    read_metadata,
)
from shufflenet.spec import Arithmetic

__all__ = ["open_file", "read_metadata"]


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> PackageClassifier:
    """Open a package; its own precision is used, with sums in float32.

    Raises:
        CheckpointError: the package is missing, was changed since it was written, or has no card.
        DamagedPackage: it is damaged.
        UnsupportedByRuntime: its program has what is not computed here.
    """
    card, model = open_package(path)
    try:
        content = to_onnx(model)
    except ValueError as error:
        raise DamagedPackage(path, error) from error
    except Unsupported as error:
        raise UnsupportedByRuntime(path, str(error), "Core ML program") from error
    with accepting(path, "ONNX Runtime"):
        session = _open_session(content, threads)
    compute = partial(_compute, session, model)
    return PackageClassifier(path, card, model, compute, "the Core ML program runtime")


def _open_session(content: bytes, threads: int | None) -> Any:  # noqa: ANN401  # it has no types
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # only what ends the process; errors are raised
    options.intra_op_num_threads = threads or 0
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _compute(
    session: Any,  # noqa: ANN401  # it has no types
    model: Model,
    image: npt.NDArray[np.generic],
) -> npt.NDArray[np.float32]:
    """Compute the logits ``(1, classes)`` of an image; photos in the order of colors stated."""
    planes = image
    if isinstance(model.input, ImageInput):
        colors = image[..., ::-1] if model.input.colors == "bgr" else image
        planes = colors.transpose(2, 0, 1)
    values = np.ascontiguousarray(planes[None], np.float32)
    (logits,) = session.run([LOGITS], {model.input.name: values})
    return np.asarray(logits, np.float32)
