"""What surrounds a library that loads or computes a file of others, for it may raise anything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    ComputationFailed,
    LogitsNotNumbers,
    NotRunnable,
    OtherOutput,
    ShuffleNetError,
)
from shufflenet.files import check_onnx_numbers
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._classifier import Classifier

__all__ = ["Guard", "check_graph", "check_maps", "check_rows", "guarded", "loading"]

_Images = TypeVar("_Images", bound=npt.NDArray[np.float32] | Pixels)
_Rows: TypeAlias = npt.NDArray[np.float32]


@contextmanager
def loading(path: str | Path, runtime: str) -> Iterator[None]:
    """Turn what a library raises while it loads a file into one sentence.

    Args:
        path: The file.
        runtime: The library, as people call it.

    Raises:
        NotRunnable: the library raised an error.
        ShuffleNetError: one of this package's own was raised, which passes.
        ModuleNotFoundError: the library is not installed.
    """
    try:
        yield
    except (ShuffleNetError, ModuleNotFoundError):
        raise
    except Exception as error:  # a stranger's file in a library: any of its errors
        raise NotRunnable(path, runtime) from error


def check_graph(path: str | Path) -> None:
    """Check that ONNX Runtime accepts a file, before a library reads it that some files crash.

    OpenVINO 2026.4 ends the process, or never ends, by graphs that ONNX Runtime refuses: a name
    defined twice, an unknown opset. Nothing is optimized, so that it takes a few milliseconds.
    Of what ONNX Runtime accepts it is huge strides that end the process.

    Raises:
        NotRunnable: ONNX Runtime refuses the graph.
        UnsoundOnnx: a node has a huge number.
        DamagedOnnx: the file is not a complete protobuf message.
    """
    check_onnx_numbers(path)
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with loading(path, "ONNX Runtime"):
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True, slots=True)
class Guard:
    """Computes a file by a library so that the answer is whole, or one of this package's errors.

    Attributes:
        path: The file, or the model's name.
        runtime: The library, as people call it.
        row: The shape of what is computed of one image: the card's ``row_shape``.
        what: What ``path`` is: "file" or "model".
    """

    path: str | Path
    runtime: str
    row: tuple[int, ...]
    what: str = "file"

    def logits(self, compute: Callable[[_Images], _Rows], images: _Images) -> _Rows:
        """Compute the logits ``(n, classes)`` of images, as a library takes them; n may be 0.

        Of a detector they are rows of boxes, ``(n, cells, 4 + classes)``.

        Raises:
            ComputationFailed: the library raised an error.
            OtherOutput: the output is no row of floats for each image, one for each class.
            LogitsNotNumbers: a logit is infinite or NaN.
        """
        if not len(images):  # libraries differ in what they make of none
            return np.empty((0, *self.row), np.float32)
        rows = self.run(compute, images)
        check_rows(rows, (len(images), *self.row), self.path, what=self.what)
        return rows

    def run(self, compute: Callable[[_Images], _Rows], images: _Images) -> _Rows:
        """Compute what a library returns of images, without a check of it.

        Raises:
            ComputationFailed: the library raised an error.
            ShuffleNetError: one of this package's own was raised, which passes.
        """
        try:
            with np.errstate(all="ignore"):  # infinities are looked for in the result
                return compute(images)
        except ShuffleNetError:
            raise
        except Exception as error:  # as in loading; memory may be short too
            raise ComputationFailed(
                self.path, self.runtime, images.shape, error, what=self.what
            ) from error


def guarded(classifier: Classifier) -> Callable[[Pixels], _Rows]:
    """Return a classifier's ``logits_from_pixels``, whose ``(n, classes)`` are checked.

    Of a detector they are ``(n, cells, 4 + classes)``.
    """
    card = classifier.card
    guard = Guard(card.name, type(classifier).__name__, card.row_shape, what="model")
    return partial(guard.logits, classifier.logits_from_pixels)


def check_rows(
    rows: npt.NDArray[np.float32], shape: tuple[int, ...], path: str | Path, *, what: str = "file"
) -> None:
    """Check that an output is rows of finite floats, ``(n, classes)`` or those of a detector.

    Args:
        rows: The output.
        shape: The number of images and, if it is known, the shape of what is computed of each.
        path: The file that computed it, or the model's name.
        what: What ``path`` is: "file" or "model".

    Raises:
        OtherOutput: it has another shape or type.
        LogitsNotNumbers: it holds infinities or NaN.
    """
    if (
        rows.ndim != max(2, len(shape))
        or rows.shape[: len(shape)] != shape
        or rows.dtype.kind != "f"
    ):
        raise OtherOutput(path, f"{rows.dtype} {rows.shape}", shape, what=what)
    if not np.isfinite(rows).all():
        raise LogitsNotNumbers(path, what=what)


def check_maps(
    maps: npt.NDArray[np.float32], shape: tuple[int, int], path: str | Path, *, what: str = "file"
) -> None:
    """Check that feature maps are finite floats ``(n, c, h, w)``.

    Args:
        maps: The maps.
        shape: The number of images and of channels.
        path: The file that computed them, or the model's name.
        what: What ``path`` is: "file" or "model".

    Raises:
        OtherOutput: they have another shape or type.
        LogitsNotNumbers: they hold infinities or NaN.
    """
    if maps.ndim != 4 or maps.shape[:2] != shape:
        raise OtherOutput(path, f"{maps.dtype} {maps.shape}", shape, what=what)
    check_rows(maps.reshape(shape[0], -1), shape[:1], path, what=what)
