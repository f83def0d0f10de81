"""The catalogue, as literals: the networks of the family, and the weights that ship."""

from dataclasses import dataclass
from pathlib import Path

from shufflenet.errors import UnknownName
from shufflenet.spec import Preprocess, Stage, V2Spec

__all__ = ["DEFAULT", "NETWORKS", "SHIPPED", "Shipped", "find_network", "preprocess_for"]


def _v2(name: str, *channels: int, head: int) -> V2Spec:
    stages = zip(channels, (4, 8, 4), strict=True)  # repeats: Ma et al. 2018, Table 5
    return V2Spec(
        name=name,
        stages=tuple(Stage(channels=c, repeats=r) for c, r in stages),
        head_channels=head,
    )


_SWISH = V2Spec(
    name="shufflenet_v2_x1_0_swish",
    stages=tuple(Stage(channels=c, repeats=r) for c, r in ((116, 4), (232, 8), (464, 4))),
    head_channels=1024,
    activation="swish",
)

# 0.25, 0.33 and swish: PaddleClas at d178931f, ppcls/arch/backbone/model_zoo/shufflenet_v2.py.
# 0.5 to 2.0: Ma et al. 2018, Table 5, but for stage 2 of 2.0, which is 244 in the paper's own
# table and in torchvision 0.28, models/shufflenetv2.py.
NETWORKS: dict[str, V2Spec] = {
    spec.name: spec
    for spec in (
        _v2("shufflenet_v2_x0_25", 24, 48, 96, head=512),
        _v2("shufflenet_v2_x0_33", 32, 64, 128, head=512),
        _v2("shufflenet_v2_x0_5", 48, 96, 192, head=1024),
        _v2("shufflenet_v2_x1_0", 116, 232, 464, head=1024),
        _SWISH,
        _v2("shufflenet_v2_x1_5", 176, 352, 704, head=1024),
        _v2("shufflenet_v2_x2_0", 244, 488, 976, head=2048),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """Weights that lie in the package: an ONNX file to predict with, a checkpoint to train on."""

    name: str
    onnx: Path
    checkpoint: Path


_WEIGHTS = Path(__file__).parent / "weights"

DEFAULT = "default"
_DEFAULT_WEIGHTS = Shipped(
    name="shufflenet_v2_x1_0.tiny_imagenet_200",
    onnx=_WEIGHTS / "default.onnx",
    checkpoint=_WEIGHTS / "default.safetensors",
)
SHIPPED: dict[str, Shipped] = {
    DEFAULT: _DEFAULT_WEIGHTS,
    _DEFAULT_WEIGHTS.name: _DEFAULT_WEIGHTS,
}


def find_network(name: str) -> V2Spec:
    """Look a network up.

    Raises:
        UnknownName: no network goes by that name; the nearest one is suggested.
    """
    if name not in NETWORKS:
        raise UnknownName("network", name, NETWORKS)
    return NETWORKS[name]


def preprocess_for(image_px: int) -> Preprocess:
    """Say how images are prepared for a network trained here on squares of ``image_px``.

    Up to 64 px the whole shorter side is kept; above it the customary 7/8 of it.

    >>> preprocess_for(224).resize_px, preprocess_for(64).resize_px
    (256, 64)
    """
    return Preprocess(
        resize_px=image_px if image_px <= 64 else round(image_px * 8 / 7), crop_px=image_px
    )
