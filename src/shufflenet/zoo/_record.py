"""The facts about a published file of weights."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shufflenet.spec import Preprocess, Published

__all__ = ["TORCHVISION_232", "TORCHVISION_256", "PublishedCost", "Source", "Weights"]

Source: TypeAlias = Literal[
    "torchvision", "mmpretrain", "paddleclas", "paddlevision", "megvii", "onnx_zoo"
]

# The evaluation transform of torchvision 0.28.0, transforms/_presets.py, whose `PIL.Image.open`
# ignores EXIF tags; the second resize is that of weights trained by the newer recipe.
TORCHVISION_256 = Preprocess(resize_px=256, crop_px=224, exif=False)
TORCHVISION_232 = Preprocess(resize_px=232, crop_px=224, exif=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCost:
    """The cost of a network at 224 px as the authors of weights state it, to their last digit.

    Attributes:
        params_millions: Parameters, in millions.
        flops_millions: The number that the source calls FLOPs, in millions.
        source: The file or table that states them.
        counts: A sentence on what the source counts.
    """

    params_millions: float
    flops_millions: float
    source: str
    counts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A published file of weights.

    Attributes:
        name: ``NETWORK.TAG``, the name in every command.
        network: A name of ``NETWORKS``.
        source: The project that published it.
        filename: The name of the published file.
        url: The address to download it from; empty if a person must get it.
        page: The page on which a person finds it.
        mirror: Another place; empty if there is none.
        sha256: The hash of the file, or its first digits if no more are published, or empty.
        md5: The same, if the source publishes only MD5.
        bytes: The size of the file, 0 if unknown.
        licence: An SPDX identifier.
        preprocess: The preprocessing that the source uses.
        published: The accuracy that its authors state, if any.
        cost: The cost that its authors state, if any.
        labels: The set of classes.
        quantized: Whether the file computes in int8.
        onnxruntime_reads: Whether ONNX Runtime runs the file unchanged, if it is ONNX.
        output: The output of the file.
        defects: Known errors and doubts, in sentences; empty if none are known.
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
        """Whether ONNX Runtime runs the file, so that predicting needs no conversion."""
        return self.filename.endswith(".onnx") and self.onnxruntime_reads

    @property
    def becomes_int8(self) -> bool:
        """Whether it is of torch's int8 engine, and becomes an int8 ONNX file of ours."""
        return self.quantized and not self.filename.endswith(".onnx")

    @property
    def convertible(self) -> bool:
        """Whether the file can become a checkpoint of ours; files in int8 cannot."""
        return not self.quantized
