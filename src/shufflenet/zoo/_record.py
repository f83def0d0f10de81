"""What is known of a published file of weights."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shufflenet.spec import Preprocess, Published

__all__ = ["TORCHVISION_232", "TORCHVISION_256", "PublishedCost", "Source", "Weights"]

Source: TypeAlias = Literal[
    "torchvision", "mmpretrain", "paddleclas", "paddlevision", "megvii", "onnx_zoo"
]

# The evaluation transform of torchvision 0.28.0, transforms/_presets.py, whose `PIL.Image.open`
# leaves EXIF tags alone; the second resize is that of weights trained by the newer recipe.
TORCHVISION_256 = Preprocess(resize_px=256, crop_px=224, exif=False)
TORCHVISION_232 = Preprocess(resize_px=232, crop_px=224, exif=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCost:
    """What the authors of weights state a network costs at 224 px, as precise as they gave it.

    Attributes:
        params_millions: Parameters, in millions.
        flops_millions: What the source calls FLOPs, in millions.
        source: The file or table that states them.
        counts: A sentence that names what the source counts.
    """

    params_millions: float
    flops_millions: float
    source: str
    counts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A published file of weights.

    Attributes:
        name: ``NETWORK.TAG``, by which every command knows it.
        network: A name of ``NETWORKS``.
        source: The project that published it.
        filename: What the file is called there.
        url: Where it can be downloaded; empty where a person must fetch it.
        page: Where a person finds it.
        mirror: Where else; or empty.
        sha256: Of the file; or its first digits, where no more was published; or empty.
        md5: The same, where the source gives only that.
        bytes: The size of the file, 0 where it is not known.
        licence: SPDX identifier.
        preprocess: How the source prepares images.
        published: The accuracy its authors state; None where they state none.
        cost: What its authors state it costs; None where they state nothing.
        labels: The set of classes.
        quantized: Whether the file computes in int8.
        onnxruntime_reads: Whether ONNX Runtime computes the file as it is, if it is ONNX.
        output: What the file puts out.
        defects: What is known to be wrong with it, a sentence or more; or empty.
    """

    name: str
    network: str
    source: Source
    filename: str
    licence: str
    preprocess: Preprocess
    url: str = ""
    page: str = ""
    mirror: str = ""
    sha256: str = ""
    md5: str = ""
    bytes: int = 0
    published: Published | None = None
    cost: PublishedCost | None = None
    labels: Literal["imagenet-1k"] = "imagenet-1k"
    quantized: bool = False
    onnxruntime_reads: bool = True
    output: Literal["logits", "probabilities"] = "logits"
    defects: str = ""

    @property
    def runs_unconverted(self) -> bool:
        """Whether ONNX Runtime computes the file, so that predicting needs no conversion."""
        return self.filename.endswith(".onnx") and self.onnxruntime_reads

    @property
    def convertible(self) -> bool:
        """Whether a network can be made of the file: not of integers."""
        return not self.quantized
