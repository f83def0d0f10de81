"""ONNX files and OpenVINO's own, run by OpenVINO."""

import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import FileMissing, MissingDependency, ModelZooFile, SpecError
from shufflenet.files import card_from_metadata, read_onnx_metadata
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._file_input import FileInput
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard, check_graph, loading
from shufflenet.runtimes._int8 import check_int8
from shufflenet.runtimes._openvino_files import read_openvino_files
from shufflenet.spec import RUNTIMES, Arithmetic, Card

__all__ = ["OpenVinoClassifier", "import_openvino", "open_file", "read_metadata"]

_OFTEN, _MOST_SHAPES = 3, 4


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "OpenVinoClassifier":
    """Open an ONNX file, or OpenVINO's own with the weights beside it.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
        MissingDependency: OpenVINO is not installed.
        SpecError: the processor has no bfloat16.
    """
    return OpenVinoClassifier(path, threads=threads, precision=precision)


def import_openvino() -> ModuleType:
    """Import OpenVINO, a second that other runtimes save, so that it sends nothing to its maker.

    Its import sends an event and keeps a number for this machine in the home folder, unless the
    package that does so is missing; here it is missing while OpenVINO is imported.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.

    Source: openvino 2026.4, openvino/tools/ovc/telemetry_utils.py
    """
    sender = "openvino_telemetry"
    found = sys.modules.get(sender)
    sys.modules[sender] = None  # type: ignore[assignment]  # how import is told that it is missing
    try:
        return import_module("openvino")
    finally:
        del sys.modules[sender]
        if found is not None:
            sys.modules[sender] = found


class OpenVinoClassifier:
    """An ONNX or ``.xml`` file with a card inside, run by OpenVINO on the CPU.

    By itself OpenVINO computes in bfloat16 on processors that have it, which moves logits by 0.1;
    here it computes in float32 unless ``precision`` is ``bfloat16``.
    """

    def __init__(
        self, path: str | Path, *, threads: int | None = None, precision: Arithmetic = "float32"
    ) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` wrote.
            threads: The number of threads that compute a batch; one a core unless given.
            precision: The type of products and sums.

        Raises:
            FileMissing: there is no such file.
            NotRunnable: OpenVINO cannot parse or run it.
            NoCard: it has no card that can be read.
            ModelZooFile: it is a file of the ONNX model zoo.
            MissingDependency: OpenVINO is not installed.
            SpecError: the processor has no bfloat16.
        """
        try:
            openvino = import_openvino()
        except ModuleNotFoundError as error:
            raise MissingDependency(*missing_package(RUNTIMES["openvino"], error)) from error
        source = _read_own(path) if Path(path).suffix.lower() == ".xml" else _read_onnx(path)
        self.card = source.card
        core = openvino.Core()
        settings = _settings(core, threads, precision)
        self._compile = partial(core.compile_model, device_name="CPU", config=settings)
        with loading(path, "OpenVINO"):
            self._model = model = core.read_model(*source.contents)
            _count_axes_from_the_end(openvino, model)
            self._any_shape = self._compile(model)
            images = model.inputs[0]
            sizes = FixedSizes.of([_length(each) for each in images.partial_shape])
            takes_bytes = images.element_type == openvino.Type.u8
        self._input = FileInput(self.card, takes_bytes, sizes)
        self._guard = Guard(path, "OpenVINO", self.card.row_shape)
        self._lock, self._requests = threading.Lock(), _Requests()
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._of_shape: dict[tuple[int, ...], Any] = {}
        check_int8(self.logits_from_pixels, self.card, source.metadata, path)

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
        return self._input.sizes.compute(self._run, images)

    def _run(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        compiled = self._compiled_for(images.shape)
        requests = self._requests.of_models
        if id(compiled) not in requests:
            requests[id(compiled)] = compiled.create_infer_request()
        outputs = requests[id(compiled)].infer([images], share_inputs=True)  # read in place
        return np.array(outputs[0])  # a copy: the request keeps its memory

    def _compiled_for(self, shape: tuple[int, ...]) -> Any:  # noqa: ANN401  # it has no types
        """Return a model compiled for any shape, or for this one if it is used again and again.

        The latter is 5 to 12 % faster (docs/performance.md), but compiling it takes as long as
        computing a hundred images.
        """
        with self._lock:
            self._seen[shape] += 1
            often = self._seen[shape] >= _OFTEN and len(self._of_shape) < _MOST_SHAPES
            if often and shape not in self._of_shape:
                fixed = self._model.clone()
                fixed.reshape(list(shape))
                self._of_shape[shape] = self._compile(fixed)
            return self._of_shape.get(shape, self._any_shape)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that was checked: its card, its texts, and what OpenVINO reads."""

    card: Card
    metadata: Mapping[str, str]
    contents: tuple[str] | tuple[bytes, bytes]


def _read_onnx(path: str | Path) -> _Source:
    """Check an ONNX file.

    Raises:
        FileMissing: there is no such file.
        ModelZooFile: it is a file of the ONNX model zoo.
        CheckpointError: it is damaged, or has no card.
    """
    if not Path(path).is_file():
        raise FileMissing(path)
    metadata = read_onnx_metadata(path)
    card, published = card_from_metadata(path, metadata)
    if published is not None:  # their batch sizes and outputs differ, and some it cannot load
        raise ModelZooFile(path)
    check_graph(path)
    return _Source(card, metadata, (str(path),))


def _read_own(path: str | Path) -> _Source:
    """Check OpenVINO's own file and its weights, which OpenVINO then reads from memory.

    Raises:
        CheckpointError: one is missing or damaged, or they do not belong together.
    """
    files = read_openvino_files(path)
    contents = {Path(path).name: files.text, Path(path).with_suffix(".bin").name: files.weights}
    card = open_card(path, files.metadata, contents)
    return _Source(card, files.metadata, (files.text, files.weights))


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the texts in OpenVINO's own file.

    Raises:
        CheckpointError: it or its weights are missing or damaged.
    """
    return read_openvino_files(path).metadata


def _length(dimension: Any) -> int | None:  # noqa: ANN401  # it has no types
    return dimension.get_length() if dimension.is_static else None


def _count_axes_from_the_end(
    openvino: ModuleType,
    model: Any,  # noqa: ANN401  # it has no types
) -> None:
    """Write the axis of each Gather as -3 instead of 1, which means the same.

    OpenVINO 2026.4 moves a Gather on axis 1 into the weights of the int8 convolution behind it, but
    in the inverse order: V1's files in int8 answered no photo of 200 correctly. An axis counted
    from the end it leaves where it is.
    """
    for node in model.get_ops():
        if node.get_type_name() != "Gather":
            continue
        axis, rank = node.input_value(2).get_node(), node.input_value(0).get_partial_shape().rank
        if axis.get_type_name() == "Constant" and rank.is_static and axis.get_data().item() > 0:
            from_end = axis.get_data().item() - rank.get_length()
            node.input(2).replace_source_output(
                openvino.op.Constant(
                    axis.get_element_type(), openvino.Shape([]), [from_end]
                ).output(0)
            )


def _settings(
    core: Any,  # noqa: ANN401  # it has no types
    threads: int | None,
    precision: Arithmetic,
) -> dict[str, str]:
    """Return the settings that a model is compiled with.

    Raises:
        SpecError: the processor has no bfloat16.
    """
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bfloat16" and "BF16" not in capabilities:
        raise SpecError("precision", precision, "'float32' on this processor")
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    return settings


class _Requests(threading.local):
    """Each thread's own requests, since one computes one batch at a time; by the model's id."""

    def __init__(self) -> None:
        self.of_models: dict[int, Any] = {}
