"""Every published set of weights, as literals: where it lies, how it is used, what it reached."""

from dataclasses import dataclass
from typing import Literal

from shufflenet.spec import Preprocess, Published

__all__ = ["WEIGHTS", "Source", "Weights"]

Source = Literal["torchvision", "mmpretrain", "paddleclas", "paddlevision", "megvii", "onnx_zoo"]


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
        sha256: Of the file; or its first digits, where no more was published; or empty.
        md5: The same, where the source gives only that.
        bytes: The size of the file, 0 where it is not known.
        licence: SPDX identifier.
        preprocess: How the source prepares images.
        published: The accuracy its authors state; None where they state none.
        labels: The set of classes.
        quantised: Whether the file computes in int8.
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
    sha256: str = ""
    md5: str = ""
    bytes: int = 0
    published: Published | None = None
    labels: Literal["imagenet-1k"] = "imagenet-1k"
    quantised: bool = False
    defects: str = ""


WEIGHTS: dict[str, Weights] = {}
