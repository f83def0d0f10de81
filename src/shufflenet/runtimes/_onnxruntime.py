"""ONNX files, run by ONNX Runtime."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import CheckpointError, SpecError
from shufflenet.runtimes._int8 import as_pixels, check_int8, computes_int8_exactly
from shufflenet.spec import CARD_KEY, Card
from shufflenet.zoo import Weights, find_published, published_card

__all__ = ["OnnxClassifier", "card_of"]

_log = logging.getLogger(__name__)


class OnnxClassifier:
    """An ONNX file, run by ONNX Runtime on the CPU.

    Its card is the one inside; a published file without one is known by its hash.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` wrote, or one of the ONNX model zoo.
            threads: How many threads one image is computed on; one a core, unless given.

        Raises:
            CheckpointError: the file is missing, damaged, or has no card.
        """
        import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves
        from onnxruntime.capi import onnxruntime_pybind11_state as ort  # noqa: PLC0415  # likewise

        if not Path(path).is_file():
            raise CheckpointError(
                path, "does not exist", "See the names you can use: shufflenet list."
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; they are raised as well
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except (
            ort.Fail,
            ort.InvalidArgument,
            ort.InvalidGraph,
            ort.InvalidProtobuf,
            ort.NotImplemented,
            ort.RuntimeException,
        ) as error:
            raise CheckpointError(
                path, "is no ONNX file that can be run", "Export it again."
            ) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.card, published = card_of(path, metadata)
        self._log_of_output = published is not None and published.output == "probabilities"
        images = self._session.get_inputs()[0]
        self._input = images.name
        self._takes_bytes = images.type == "tensor(uint8)"
        self._fixed_batch = images.shape[0] if isinstance(images.shape[0], int) else None
        if published is not None and published.quantized and not computes_int8_exactly():
            _log.warning(
                "This processor rounds sums of int8 products that %s was made without: "
                "its answers may differ from those published.",
                published.filename,
            )
        check_int8(self.logits, self.card, metadata, path)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``."""
        size = self._fixed_batch or max(1, len(batch))
        fed = as_pixels(batch, self.card.preprocess) if self._takes_bytes else batch
        parts = [self._run(fed[start : start + size]) for start in range(0, len(fed), size)]
        result = np.concatenate(parts)
        # The softmax of log(p) is p again.
        return (
            np.log(np.maximum(result, np.finfo(np.float32).tiny)) if self._log_of_output else result
        )

    def _run(
        self, images: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        missing = (self._fixed_batch or 0) - len(images)
        if missing > 0:  # a file may take so many images at once and no fewer
            images = np.concatenate((images, np.zeros((missing, *images.shape[1:]), images.dtype)))
        result = np.asarray(self._session.run(None, {self._input: images})[0], np.float32)
        return result[: len(result) - max(0, missing)]


def card_of(path: str | Path, metadata: Mapping[str, str]) -> tuple[Card, Weights | None]:
    """Read the card of an ONNX file, or make that of the published file that it is.

    Raises:
        CheckpointError: it has none and is none.
    """
    try:
        return Card.from_json(metadata[CARD_KEY]), None
    except (KeyError, SpecError) as error:
        published = find_published(path)
        if published is None:
            remedy = "Export it: shufflenet export --help."
            raise CheckpointError(path, "has no card that can be read", remedy) from error
        return published_card(published), published
