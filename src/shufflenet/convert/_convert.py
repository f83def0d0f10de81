"""Converting a file of another project to a checkpoint of this package."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shufflenet.convert._fit import from_layout, max_abs_difference, to_layout
from shufflenet.convert._folded import unfold
from shufflenet.convert._foreign_card import assumptions, foreign_card
from shufflenet.convert._identify import identify, layouts_of_file
from shufflenet.convert._layouts import SOURCES, Layout
from shufflenet.convert._read import Arrays, ForeignFile, read_foreign
from shufflenet.convert._verify import onnx_difference
from shufflenet.errors import NegativeVariances, UnknownName, WeightsNotFinite
from shufflenet.files import Checkpoint
from shufflenet.spec import Label, NetworkSpec
from shufflenet.zoo import Weights, find_published

if TYPE_CHECKING:
    import onnx

__all__ = ["Converted", "convert_checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A converted checkpoint, and how it was converted.

    Attributes:
        checkpoint: The weights and their card.
        layout: The name of the layout that the file had.
        max_abs_difference: For an ONNX file, between its logits and those of the network made from
            it; for other files, between their arrays and the converted ones converted back, which
            is 0 unless something was lost.
        remarks: What a user should know, one sentence each, including assumptions about a file
            that is not in the catalogue.
    """

    checkpoint: Checkpoint
    layout: str
    max_abs_difference: float
    remarks: tuple[str, ...] = ()


def convert_checkpoint(
    path: str | Path,
    *,
    source: str = "auto",
    network: str | None = None,
    labels: Sequence[Label] | None = None,
    weights: Weights | None = None,
    key: str | None = None,
) -> Converted:
    """Convert a file of another project to a checkpoint of this package.

    Args:
        path: A ``.pth``, ``.pth.tar``, ``.pkl``, ``.pdparams``, ``.onnx`` or ``.safetensors`` file.
        source: ``auto``, or a name of ``SOURCES``: files of other projects are then refused.
        network: The network's name, needed where names and shapes are ambiguous (PaddleClas's swish
            network has those of its 1.0).
        labels: The classes in order; by default ImageNet's 1,000, or the published file's.
        weights: The file's entry in the catalogue; by default it is found by the file's hash.
        key: Which set of weights to take of a file that holds several, by the keys that lead to it,
            such as ``state_dict_ema``; by default the averaged ones, which are those that the
            projects evaluate.

    Raises:
        NegativeVariances: a running variance is below 0.
        WeightsNotFinite: an array holds infinities or NaN.
        CheckpointError: the file cannot be read, is of no known project or another than ``source``,
            or the labels of its classes are unknown.
        CheckpointMismatch: the file lacks arrays, or has more than the network.
        ParityError: a network made from an ONNX file does not compute what the file does.
        UnknownName: there is no such source or network.
    """
    path = Path(path)
    if source != "auto" and source not in SOURCES:
        raise UnknownName("source", source, ["auto", *SOURCES])
    file = read_foreign(path, key)
    file, renamed = _plain_classifier(_unfolded(file))
    arrays = file.arrays
    layouts = layouts_of_file(path, arrays, source)
    weights = weights or find_published(path)
    layout, spec, remarks = identify(path, arrays, layouts, network, weights, file.others)
    converted = from_layout(arrays, layout, spec)
    _check_values(path, file, converted, layout, spec)
    card = foreign_card(path, spec, layout, labels, weights)
    if weights is None:
        remarks += (assumptions(spec, layout, labels),)
    if file.model is not None:
        difference = onnx_difference(path, file.model, converted, spec)
    else:
        difference = _round_trip_difference(arrays, converted, layout, spec)
    return Converted(
        checkpoint=Checkpoint(card, converted),
        layout=layout.name,
        max_abs_difference=difference,
        remarks=_what_was_taken(file, layout) + renamed + remarks,
    )


def _plain_classifier(file: ForeignFile) -> tuple[ForeignFile, tuple[str, ...]]:
    """Take the one linear layer of a sequence for the classifier, as it is after a dropout.

    Returns:
        The file, with its arrays renamed if so, and a remark about that.
    """
    names = sorted(name for name in file.arrays if name.startswith("fc."))
    layer = names[0].rsplit(".", 1)[0] if len(names) == 2 else ""
    if names != [f"{layer}.bias", f"{layer}.weight"] or not re.fullmatch(r"fc\.\d+", layer):
        return file, ()
    arrays = {
        f"fc.{name.removeprefix(layer + '.')}" if name in names else name: array
        for name, array in file.arrays.items()
    }
    remark = f"{layer!r} was taken for the classifier; what has no weights beside it is left out."
    return replace(file, arrays=arrays), (remark,)


def _unfolded(file: ForeignFile) -> ForeignFile:
    """Return an ONNX file with its arrays named as ours, if only their order tells which they are.

    Names of a file whose norms were folded may be left, but there are no norms among them.
    """
    if file.model is None or any("running_var" in name or "_bn_" in name for name in file.arrays):
        return file
    return replace(file, arrays=unfold(file.model, file.arrays), prefix="")


def _check_values(
    path: Path, file: ForeignFile, converted: Arrays, layout: Layout, spec: NetworkSpec
) -> None:
    """Check the values of converted arrays.

    Raises:
        NegativeVariances: a running variance is below 0.
        WeightsNotFinite: an array holds infinities or NaN, or numbers that float32 does not.
    """
    for name, array in converted.items():
        with np.errstate(over="ignore"):
            finite = np.isfinite(np.asarray(array, np.float32)).all()
        if not finite:
            raise WeightsNotFinite(path, file.prefix + layout.naming(name, spec))
        if name.endswith("running_var") and bool((np.asarray(array, np.float64) < 0).any()):
            raise NegativeVariances(path, name)


def _what_was_taken(file: ForeignFile, layout: Layout) -> tuple[str, ...]:
    """Return what a user should know of the choice among the arrays of a file."""
    remarks = []
    if file.key and file.averaged:
        remarks.append(
            f"The file's averaged weights, {file.key!r}, were converted, which are those that "
            f"trainings are judged by. It also holds {_listed(file.not_taken)}: to convert one, "
            f"name it: --key {shlex.quote(file.not_taken[0])}."
        )
    elif file.key:
        remarks.append(f"{file.key!r} was converted, and not {_listed(file.not_taken)}.")
    if file.model is not None and "conv1.1.weight" in file.arrays and _has_no_norms(file.model):
        remarks.append("Its batch norms are part of its convolutions: they change nothing more.")
    kernels = [array for array in file.arrays.values() if array.ndim == 4]
    if file.model is not None and kernels and not any(any(k.strides) for k in kernels):
        remarks.append("Its weights are constants, made by its graph: its answers mean nothing.")
    if file.prefix not in ("", layout.prefix):
        remarks.append(f"The names of the weights began with {file.prefix!r}, which was removed.")
    if file.others:
        remarks.append(f"Left out, since not of the network: {_listed(file.others)}.")
    return tuple(remarks)


def _has_no_norms(model: "onnx.ModelProto") -> bool:
    return all(node.op_type != "BatchNormalization" for node in model.graph.node)


def _listed(names: Sequence[str]) -> str:
    """Return the first few of some names in quotes, and the number of the others.

    >>> _listed(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more


def _round_trip_difference(
    arrays: Arrays, converted: Arrays, layout: Layout, spec: NetworkSpec
) -> float:
    back = to_layout(converted, layout, spec)
    folded = {bias for bias, _ in layout.biases}
    folded |= {layout.naming(mean, spec) for _, mean in layout.biases}
    return max(
        max_abs_difference(arrays[name], array)
        for name, array in back.items()
        if name in arrays and name not in folded and not name.endswith("num_batches_tracked")
    )
