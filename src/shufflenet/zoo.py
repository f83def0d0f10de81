"""The catalogue, as literals: the networks of the family, and the weights that ship."""

from dataclasses import dataclass, replace
from pathlib import Path

from shufflenet.errors import CheckpointError, UnknownName
from shufflenet.spec import Stage, V2Spec

__all__ = [
    "DEFAULT",
    "NETWORKS",
    "SHIPPED",
    "WeightFiles",
    "find_network",
    "find_weights",
]


def _v2(name: str, *channels: int, head: int) -> V2Spec:
    stages = zip(channels, (4, 8, 4), strict=True)  # repeats: Ma et al. 2018, Table 5
    return V2Spec(
        name=name,
        stages=tuple(Stage(channels=c, repeats=r) for c, r in stages),
        head_channels=head,
    )


_SWISH = replace(_v2("shufflenet_v2_x1_0_swish", 116, 232, 464, head=1024), activation="swish")

# 0.25, 0.33 and swish: PaddleClas at d178931f, ppcls/arch/backbone/model_zoo/shufflenet_v2.py.
# 0.5 to 2.0: Ma et al. 2018, Table 5, and torchvision 0.28, models/shufflenetv2.py.
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
class WeightFiles:
    """Where weights lie: as ONNX to predict with, as a checkpoint to train on, or as both."""

    name: str
    onnx: Path | None = None
    checkpoint: Path | None = None


_FOLDER = Path(__file__).parent / "weights"

DEFAULT = "default"
SHIPPED = WeightFiles(
    name="shufflenet_v2_x0_5.tiny_imagenet_200",
    onnx=_FOLDER / "default.onnx",
    checkpoint=_FOLDER / "default.safetensors",
)


def find_network(name: str) -> V2Spec:
    """Look a network up.

    Raises:
        UnknownName: no network goes by that name; the nearest one is suggested.
    """
    if name not in NETWORKS:
        raise UnknownName("network", name, NETWORKS)
    return NETWORKS[name]


def find_weights(name: str | Path) -> WeightFiles:
    """Find the files behind a checkpoint's name; a path is its own.

    Raises:
        UnknownName: it is neither a checkpoint's name nor a file.
        CheckpointError: it is a file of another kind, or a network's name, which has no weights.
    """
    path = Path(name)
    if str(name) in (DEFAULT, SHIPPED.name):
        return SHIPPED
    if str(name) in NETWORKS:
        raise CheckpointError(
            name, "is a network without weights", "Train it: shufflenet train --help."
        )
    if path.suffix == ".onnx":
        return WeightFiles(name=path.stem, onnx=path)
    if path.suffix == ".safetensors":
        return WeightFiles(name=path.stem, checkpoint=path)
    if path.exists():
        raise CheckpointError(name, "is neither a .onnx nor a .safetensors file", "Name one.")
    raise UnknownName("model", str(name), [DEFAULT, SHIPPED.name, *NETWORKS])
