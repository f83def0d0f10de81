"""ONNX files, run by ONNX Runtime."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import FileMissing
from shufflenet.files import card_from_metadata
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._file_input import FileInput
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard, loading
from shufflenet.runtimes._int8 import check_int8, computes_int8_exactly
from shufflenet.spec import Arithmetic

__all__ = ["MOST_ONNX_BYTES", "OnnxClassifier", "logits_of", "open_file", "open_session"]

# Of a model that is given as bytes: protobuf holds no more; the largest network takes 1.02 GB in
# float32.
MOST_ONNX_BYTES = (1 << 31) - 1

_log = logging.getLogger(__name__)


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "OnnxClassifier":
    """Open an ONNX file; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
    """
    return OnnxClassifier(path, threads=threads)


class OnnxClassifier:
    """An ONNX file, run by ONNX Runtime on the CPU.

    Its card is the one inside; a published file without one is recognized by its hash.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` wrote, or one of the ONNX model zoo.
            threads: The number of threads that compute a batch; one a core unless given.

        Raises:
            FileMissing: there is no such file.
            NotRunnable: ONNX Runtime cannot parse or run it.
            NoCard: it has no card that can be read, and is no published file.
        """
        if not Path(path).is_file():
            raise FileMissing(path)
        with loading(path, "ONNX Runtime"):
            self._session = open_session(str(path), threads)
            metadata = self._session.get_modelmeta().custom_metadata_map
            images, rows = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.card, published = card_from_metadata(path, metadata)
        self._log_of_output = published is not None and published.output == "probabilities"
        self._guard = Guard(path, "ONNX Runtime", self.card.row_shape)
        self._output = rows.name  # a detector may have others
        self._name, takes_bytes = images.name, images.type == "tensor(uint8)"
        self._input = FileInput(self.card, takes_bytes, FixedSizes.of(images.shape))
        if published is not None and published.quantized and not computes_int8_exactly():
            _log.warning(
                "This processor saturates sums of int8 products, which %s was not made for: "
                "its answers may differ from those published.",
                published.filename,
            )
        check_int8(self.logits_from_pixels, self.card, metadata, path)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._logits, self._input.from_batch(batch))

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._logits, self._input.from_pixels(pixels))

    def _logits(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        result = self._input.sizes.compute(self._run, images)
        return logits_of(result) if self._log_of_output else result

    def _run(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = self._session.run([self._output], {self._name: images})[0]
        return result


def logits_of(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the logarithms of probabilities, of which the softmax is these again."""
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))


def open_session(model: str | bytes, threads: int | None) -> Any:  # noqa: ANN401  # it has no types
    """Open a session on the CPU, of a file or of the content of one."""
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # only what ends the process; errors are raised
    options.intra_op_num_threads = threads or 0
    return onnxruntime.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=0,  # which prints, and tries the same again
    )
