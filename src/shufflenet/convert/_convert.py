"""Converting a file of another project to a checkpoint of this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shufflenet.convert._fit import from_layout, max_abs_difference, to_layout
from shufflenet.convert._foreign_card import assumptions, foreign_card
from shufflenet.convert._identify import identify, layouts_of_file
from shufflenet.convert._layouts import SOURCES, Layout
from shufflenet.convert._read import Arrays, read_foreign
from shufflenet.convert._verify import onnx_difference
from shufflenet.errors import NegativeVariances, UnknownName
from shufflenet.files import Checkpoint
from shufflenet.spec import Label, NetworkSpec
from shufflenet.zoo import Weights, find_published

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
) -> Converted:
    """Convert a file of another project to a checkpoint of this package.

    Args:
        path: A ``.pth``, ``.pth.tar``, ``.pkl``, ``.pdparams``, ``.onnx`` or ``.safetensors`` file.
        source: ``auto``, or a name of ``SOURCES``: files of other projects are then refused.
        network: The network's name, needed where names and shapes are ambiguous (PaddleClas's swish
            network has those of its 1.0).
        labels: The classes in order; by default ImageNet's 1,000, or the published file's.
        weights: The file's entry in the catalogue; by default it is found by the file's hash.

    Raises:
        NegativeVariances: a running variance is below 0.
        CheckpointError: the file cannot be read, is of no known project or another than ``source``,
            or the labels of its classes are unknown.
        CheckpointMismatch: the file lacks arrays, or has more than the network.
        ParityError: a network made from an ONNX file does not compute what the file does.
        UnknownName: there is no such source or network.
    """
    path = Path(path)
    if source != "auto" and source not in SOURCES:
        raise UnknownName("source", source, ["auto", *SOURCES])
    file = read_foreign(path)
    arrays = _without_prefix(file.arrays)
    layouts = layouts_of_file(path, arrays, source)
    weights = weights or find_published(path)
    layout, spec, remarks = identify(path, arrays, layouts, network, weights)
    converted = from_layout(arrays, layout, spec)
    for name, array in converted.items():
        if name.endswith("running_var") and bool((np.asarray(array, np.float64) < 0).any()):
            raise NegativeVariances(path, name)
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
        remarks=remarks,
    )


def _without_prefix(arrays: Arrays) -> Arrays:
    """Remove the prefix that torch's DataParallel adds to names."""
    return {name.removeprefix("module."): array for name, array in arrays.items()}


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
