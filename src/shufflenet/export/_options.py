"""What an export is asked for, what a writer of a format is given, and what is returned."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shufflenet.errors import SpecError
from shufflenet.spec import MAX_CROP_PX, Card, Precision, Task

__all__ = ["ExportOptions", "Exported", "Request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How a network is exported; each format takes those that its row in ``FORMATS`` names.

    Attributes:
        shuffle: ``free`` for the deployed network, ``keep`` for the one with shuffles.
        opset: The version of ONNX's operators; the format's default unless given.
        precision: The numbers in which the file computes; those of the source unless given. Only
            a source that ``quantize`` wrote can be exported in int8.
        batch: The number of images of each call; any number where the format can, unless given.
        image_px: The height and width of images; any where the format can, else those of the
            card, unless given.
        photos: Photos that the file is compared on as well.
        nms: Whether the file of a detector also chooses among its boxes.
    """

    shuffle: Literal["free", "keep"] = "free"
    opset: int | None = None
    precision: Precision | None = None
    batch: int | None = None
    image_px: tuple[int, int] | None = None
    photos: tuple[Path, ...] = ()
    nms: bool = False

    def __post_init__(self) -> None:
        if self.image_px and not all(1 <= each <= MAX_CROP_PX for each in self.image_px):
            raise SpecError("image_px", self.image_px, f"from 1 to {MAX_CROP_PX} px")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the writer of a format is given beside the program.

    Attributes:
        card: The card; its preprocessing is for images of the size that is exported.
        metadata: The texts that the file holds, by their keys: the card, logits of an image, and
            the place of a hash. See ``files.seal``.
        stem: The names of the files begin with it.
        precision: The numbers in which the file computes.
        size: The height and width of images, px.
        options: What was asked for.
        onnx: The network as this package writes it as ONNX, float32 or int8.
    """

    card: Card
    metadata: Mapping[str, str]
    stem: str
    precision: Precision
    size: tuple[int, int]
    options: ExportOptions
    onnx: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Files that were written, and how far their logits differ from the network's.

    Of detectors they are scores and, in shares of the input's longer side, boxes.

    Attributes:
        path: The file that is opened.
        files: All files, or the folder that holds them.
        format: The name of the format in ``spec.FORMATS``.
        task: What the network answers.
        precision: The numbers in which the file computes.
        bytes: The size of all files.
        shuffle: Whether shuffles were left out or kept; None if the source was a file, whose
            network stays as it is.
        opset: The version of ONNX's operators; None for other formats.
        max_abs_difference: The largest difference between a logit of the file and of the network.
        max_abs_logit: The largest logit of the network.
        tolerance: The largest difference that was accepted.
        images: The number of images that were compared.
        same_top1: Of how many of them file and network name the same class first, of detectors in
            one cell.
    """

    path: str
    files: tuple[str, ...]
    format: str
    task: Task
    precision: Precision
    bytes: int
    shuffle: Literal["free", "keep"] | None
    opset: int | None
    max_abs_difference: float
    max_abs_logit: float
    tolerance: float
    images: int
    same_top1: int
