"""Models in memory run on images by ONNX Runtime."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from shufflenet.preprocess import Pixels

__all__ = [
    "Feed",
    "Images",
    "Logits",
    "Pixels",
    "Progress",
    "compute_logits",
    "open_session",
    "split_batches",
]

Images: TypeAlias = npt.NDArray[np.float32] | Pixels
Logits: TypeAlias = npt.NDArray[np.float32]
Feed: TypeAlias = Callable[[Pixels], Images]
Progress: TypeAlias = Callable[[int], None]

_BATCH = 20  # images


def open_session(model: onnx.ModelProto, *, optimized: bool = True) -> onnxruntime.InferenceSession:
    """Open a model on one thread; not optimized, int8 is computed step by step in float32."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def split_batches(images: Pixels, size: int) -> Iterator[Pixels]:
    """Yield the images ``(n, h, w, c)`` in batches of at most ``size``."""
    return (images[start : start + size] for start in range(0, len(images), size))


def compute_logits(
    model: onnx.ModelProto,
    images: Pixels,
    feed: Feed,
    *,
    exact: bool = False,
    on_progress: Progress = lambda done: None,
) -> Logits:
    """Return the logits of images, ``(n, classes)``.

    Args:
        model: A float or an int8 model.
        images: Pixels, ``(n, h, w, c)``.
        feed: Converts images to the input of the model.
        exact: Whether to compute in float32 between roundings to int8, where sums of products are
            exact: the result that every processor should give. It is slower.
        on_progress: Called with the number of images computed since the last call.
    """
    session = open_session(model, optimized=not exact)
    name = session.get_inputs()[0].name
    rows = []
    for part in split_batches(images, _BATCH):
        rows.append(np.asarray(session.run(None, {name: feed(part)})[0]))
        on_progress(len(part))
    return np.concatenate(rows)
