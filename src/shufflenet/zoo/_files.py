"""From names to the networks and files behind them."""

from dataclasses import dataclass
from pathlib import Path

from shufflenet.errors import (
    NotOurFormat,
    NoWeights,
    PublishedUnderOtherName,
    RunFolder,
    SpecError,
    UnknownName,
)
from shufflenet.spec import NetworkSpec
from shufflenet.zoo._networks import NETWORKS
from shufflenet.zoo._weights import WEIGHTS, Weights

__all__ = ["DEFAULT", "SHIPPED", "WeightFiles", "find_network", "find_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFiles:
    """Where weights lie: as ONNX to predict with, as a checkpoint to train on, or as both.

    Of published weights that are nowhere yet it holds only what is known of them.
    """

    name: str
    onnx: Path | None = None
    checkpoint: Path | None = None
    published: Weights | None = None


_FOLDER = Path(__file__).parent

DEFAULT = "default"
SHIPPED = WeightFiles(
    name="shufflenet_v2_x1_0.tiny_imagenet_200",
    onnx=_FOLDER / "default.onnx",
    checkpoint=_FOLDER / "default.safetensors",
)


def find_network(name: str) -> NetworkSpec:
    """Look a network up.

    Raises:
        SpecError: it is the name of a checkpoint.
        UnknownName: no network goes by that name; the nearest one is suggested.
    """
    if name in WEIGHTS:
        expected = f"{WEIGHTS[name].network!r}, of which that is a checkpoint"
        raise SpecError("the network", name, expected)
    if name not in NETWORKS:
        raise UnknownName("network", name, NETWORKS)
    return NETWORKS[name]


def find_weights(name: str | Path) -> WeightFiles:
    """Find the files behind a checkpoint's name; a path is its own.

    Raises:
        UnknownName: it is neither a checkpoint's name nor a file.
        NoWeights: it is a network's name, which stands for no weights.
        RunFolder: it is the folder of a training run.
        NotOurFormat: it is a file of another kind.
        PublishedUnderOtherName: it is the file name of published weights.
    """
    path = Path(name)
    if str(name) in (DEFAULT, SHIPPED.name):
        return SHIPPED
    if str(name) in WEIGHTS:
        return WeightFiles(name=str(name), published=WEIGHTS[str(name)])
    if str(name) in NETWORKS:
        raise NoWeights(str(name), [w for w in WEIGHTS if w.split(".")[0] == str(name)])
    if path.suffix == ".onnx":
        return WeightFiles(name=path.stem, onnx=path)
    if path.suffix == ".safetensors":
        return WeightFiles(name=path.stem, checkpoint=path)
    if (path / "best.safetensors").exists():
        raise RunFolder(name, path / "best.safetensors")
    if path.exists():
        raise NotOurFormat(name)
    published = [weights.name for weights in WEIGHTS.values() if weights.filename == path.name]
    if published:
        raise PublishedUnderOtherName(name, published[0])
    raise UnknownName("model", str(name), [DEFAULT, SHIPPED.name, *WEIGHTS, *NETWORKS])
