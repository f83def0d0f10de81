"""Programs of torch.export, run by PyTorch; only the module ``pytorch`` imports this one."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from shufflenet.errors import DamagedProgram, MayRunCode
from shufflenet.files import pt2_texts, read_model, read_pt2, safe_pt2
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._file_input import FileInput
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard, loading
from shufflenet.spec import MAX_MODEL_BYTES

__all__ = ["ExportedClassifier", "read_pt2_metadata"]


def read_pt2_metadata(path: Path) -> dict[str, str]:
    """Return the texts that a program holds, by their keys; nothing of it is run.

    Raises:
        CheckpointError: it cannot be read.
        DamagedProgram: it is no program, or is damaged.
    """
    return _texts(path, _entries(path))


class ExportedClassifier:
    """A program of torch.export that ``shufflenet export`` wrote.

    It is loaded without running code of the file. It computes images of one size; the number of
    images is free unless the file was exported for one.
    """

    def __init__(self, path: str | Path) -> None:
        """Load a program.

        Raises:
            CardUnreadable: its card is damaged or of a newer version.
            ChangedExport: it was changed after it was exported.
            CheckpointError: it cannot be read.
            DamagedProgram: it is no program, or is damaged.
            MayRunCode: it holds what could run code.
            NoCard: it is no file of this package.
            NotRunnable: torch cannot load it.
        """
        entries = _entries(path)
        self.card = open_card(path, _texts(path, entries), entries)
        try:
            archive = safe_pt2(entries)
        except ValueError as error:  # a SpecError is one
            raise MayRunCode(path, error) from error
        with loading(path, "torch"):
            program = _load(archive)
            (images,) = program.graph_signature.user_inputs
            meta = next(node.meta["val"] for node in program.graph.nodes if node.name == images)
            self._net = program.module()
        self._input = FileInput(self.card, meta.dtype == torch.uint8, FixedSizes.of(meta.shape))
        self._guard = Guard(path, "torch", self.card.row_shape)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._rows, self._input.from_batch(batch))

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._rows, self._input.from_pixels(pixels))

    def _rows(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        return self._input.sizes.compute(self._call, images)

    def _call(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(self._net(torch.from_numpy(images)).numpy(), np.float32)


def _load(archive: bytes) -> torch.export.ExportedProgram:
    """Load an archive, and the operations that those of int8 networks have."""
    if b"quantized_decomposed" in archive:
        from torch.ao.quantization.fx import _decomposed  # noqa: F401, PLC0415
    return torch.export.load(io.BytesIO(archive))


def _entries(path: str | Path) -> dict[str, bytes]:
    """Return what an archive holds.

    Raises:
        CheckpointError: it cannot be read.
        DamagedProgram: it is none, or is damaged.
    """
    content = read_model(path, MAX_MODEL_BYTES)
    try:
        return read_pt2(content)
    except ValueError as error:
        raise DamagedProgram(path, "torch.export", error) from error


def _texts(path: str | Path, entries: dict[str, bytes]) -> dict[str, str]:
    """Return the texts of an archive.

    Raises:
        DamagedProgram: one is no UTF-8.
    """
    try:
        return pt2_texts(entries)
    except UnicodeDecodeError as error:
        raise DamagedProgram(path, "torch.export", error) from error
