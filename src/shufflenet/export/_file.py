"""A network to a file of the format that the file's name ends in."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol

from torch import nn

from shufflenet.errors import SpecError
from shufflenet.spec import FORMATS, Card

__all__ = ["ExportOptions", "Exported", "export_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How a network is exported; each format takes those that its row in ``FORMATS`` names.

    Attributes:
        shuffle: ``free`` for the deployed network, ``keep`` for the one with shuffles.
        opset: The version of ONNX's operators; the format's default unless given.
    """

    shuffle: Literal["free", "keep"] = "free"
    opset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file that was written, and how far its logits differ from the network's."""

    path: str
    bytes: int
    shuffle: Literal["free", "keep"]
    opset: int
    max_abs_difference: float
    max_abs_logit: float


class _WriteFile(Protocol):
    """The function ``write_file`` of a format's module."""

    def __call__(self, net: nn.Module, card: Card, path: Path, options: ExportOptions) -> Exported:
        """Write a file; see ``Format.module``."""


def export_file(
    net: nn.Module, card: Card, path: str | Path, options: ExportOptions | None = None
) -> Exported:
    """Write a network in the format that the file's name ends in, if it computes the same.

    Args:
        net: The network, on any device and in any mode, also as ``torch.compile`` and
            ``DataParallel`` wrap it; it is left as it is.
        card: The network's card; it is stored in the file.
        path: Where to write; its suffix is one of ``spec.FORMATS``.
        options: How; the defaults unless given.

    Raises:
        SpecError: no format has that suffix, an option is outside its range, or the network is
            none of this package.
        CheckpointMismatch: the card is of another network.
        ClassesDisagree: the network's logits are not as many as the card's labels.
        NotDeployable: the network was changed beyond what ``deploy`` knows.
        ParityError: the file's logits differ from the network's; nothing is written.
        WriteError: the file cannot be written; a file that was there before is unchanged.
    """
    formats = {form.suffix: form for form in FORMATS.values()}
    suffix = Path(path).suffix
    if suffix not in formats:
        raise SpecError("the file's suffix", suffix, " or ".join(formats))
    write_file: _WriteFile = import_module(formats[suffix].module).write_file
    return write_file(net, card, Path(path), options or ExportOptions())
