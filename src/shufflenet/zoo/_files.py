"""Look up networks and files of weights by their names."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from shufflenet.errors import (
    FileUnreadable,
    NotAFile,
    NotOurFormat,
    NoWeights,
    OtherKind,
    PublishedUnderOtherName,
    SpecError,
    UnknownName,
)
from shufflenet.outside import IrregularFile, check_kind, folder_kind, open_regular
from shufflenet.spec import NetworkSpec
from shufflenet.zoo._family import NETWORKS
from shufflenet.zoo._weights import WEIGHTS, Weights

__all__ = ["DEFAULT", "SHIPPED", "WeightFiles", "find_network", "find_weights", "run_checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFiles:
    """The files of a set of weights.

    Attributes:
        name: The name of the checkpoint.
        onnx: The ONNX file, to predict with.
        checkpoint: The safetensors file, to train on.
        published: The catalog's entry of weights that must be downloaded first; both paths are
            then None.
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
    """Return the network of this name.

    Raises:
        SpecError: it is the name of a checkpoint.
        UnknownName: no network has that name; the nearest one is suggested.
    """
    if name in WEIGHTS:
        expected = f"{WEIGHTS[name].network!r}, of which that is a checkpoint"
        raise SpecError("the network", name, expected)
    if name not in NETWORKS:
        raise UnknownName("network", name, NETWORKS)
    return NETWORKS[name]


def run_checkpoint(folder: str | Path) -> Path | None:
    """Return the best network of a training run, or None if the path is no folder of one."""
    best = Path(folder) / "best.safetensors"
    return best if os.path.isfile(best) else None  # False too where pathlib raises


def find_weights(name: str | Path) -> WeightFiles:
    """Return the files of a checkpoint, by its name or by the path of one of them or of its run.

    Raises:
        UnknownName: ``name`` is neither a checkpoint's name nor a path.
        NoWeights: ``name`` is a network's, which has no weights.
        NotAFile: it is another folder, a pipe, a device or a socket.
        NotOurFormat: the file is neither ONNX nor safetensors.
        OtherKind: it is a model of another library, or another file that cannot be converted.
        OtherSuffix: it is ONNX or safetensors, but is not called so.
        FileUnreadable: it cannot be read.
        PublishedUnderOtherName: it is the filename of published weights.
    """
    path = Path(name)
    if str(name) in (DEFAULT, SHIPPED.name):
        return SHIPPED
    if str(name) in WEIGHTS:
        return WeightFiles(name=str(name), published=WEIGHTS[str(name)])
    if str(name) in NETWORKS:
        raise NoWeights(str(name), [w for w in WEIGHTS if w.split(".")[0] == str(name)])
    if path.suffix.lower() == ".onnx":
        return WeightFiles(name=path.stem, onnx=path)
    if path.suffix.lower() == ".safetensors":
        return WeightFiles(name=path.stem, checkpoint=path)
    if checkpoint := run_checkpoint(path):
        return WeightFiles(name=path.name, checkpoint=checkpoint)
    # os.path answers False where pathlib raises: of names that no file can have, or no permission
    if str(name) and os.path.exists(path):
        _refuse(path)
    published = [weights.name for weights in WEIGHTS.values() if weights.filename == path.name]
    if published:
        raise PublishedUnderOtherName(name, published[0])
    raise UnknownName("model", str(name), [DEFAULT, SHIPPED.name, *WEIGHTS, *NETWORKS])


def _refuse(path: Path) -> NoReturn:
    """Raise the error for a file or a folder that no command opens.

    Raises:
        FileUnreadable: it cannot be read.
        NotAFile: it is a folder, a pipe, a device or a socket.
        NotOurFormat: it may hold weights, which can be converted.
        OtherKind: it is a model of another library, or another file that cannot be converted.
    """
    if kind := folder_kind(path):
        raise OtherKind(path, kind.what, kind.remedy)
    try:
        with open_regular(path) as file:
            check_kind(path, file)
    except IrregularFile as error:
        raise NotAFile(path) from error
    except OSError as error:
        raise FileUnreadable(path, error.strerror or str(error)) from error
    raise NotOurFormat(path)
