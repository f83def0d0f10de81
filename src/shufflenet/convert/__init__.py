"""Checkpoints of other projects to ours and back: one map of names and one permutation a source.

A source is recognised by the names in its file, never by shapes: the same shapes mean different
networks in different projects. A file that does not fit completely is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shufflenet.convert._fit import apart, fitting, from_layout, recognised, to_layout
from shufflenet.convert._layouts import SOURCES, TARGETS, Layout
from shufflenet.convert._read import Arrays, read_arrays
from shufflenet.convert._verify import onnx_difference
from shufflenet.convert._write import Written, write_layout
from shufflenet.errors import (
    CheckpointMismatch,
    LabelCount,
    LabelsNeeded,
    NegativeVariances,
    OtherSource,
    UnknownName,
    UnknownSource,
)
from shufflenet.files import Checkpoint
from shufflenet.labels import label_set
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Card, Label, NetworkSpec, Origin
from shufflenet.zoo import NETWORKS, WEIGHTS, Weights, find_published, published_card

__all__ = [
    "SOURCES",
    "TARGETS",
    "Converted",
    "Written",
    "convert_checkpoint",
    "write_layout",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A checkpoint in our form, and how it came about.

    Attributes:
        layout: Whose names the file had.
        max_abs_difference: Between the logits of an ONNX file and of the network made from it;
            for other files between their arrays and those that go back to their layout, which is 0
            unless something was lost.
        remarks: What a user should know, a sentence each; what was assumed of an unknown file too.
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
    """Make a checkpoint of ours from a file of another project.

    Args:
        path: A ``.pth``, ``.pth.tar``, ``.pkl``, ``.pdparams``, ``.onnx`` or ``.safetensors`` file.
        source: ``auto``, or a name of ``SOURCES``, which the file must turn out to be of.
        network: The network's name, where names and shapes leave it open (PaddleClas's swish has
            those of its 1.0).
        labels: The classes in order; ImageNet's thousand, or the published file's, unless given.
        weights: The catalogue's entry that the file is; it is looked for by its hash unless given.

    Raises:
        NegativeVariances: a running variance is below 0.
        CheckpointError: the file cannot be read, is of no known project or another than ``source``,
            or has classes whose labels nobody told.
        CheckpointMismatch: it is not complete, or holds more than the network has.
        ParityError: a network made from an ONNX file does not compute what the file does.
        UnknownName: there is no such source or network.
    """
    path = Path(path)
    if source != "auto" and source not in SOURCES:
        raise UnknownName("source", source, ["auto", *SOURCES])
    arrays = _unprefixed(read_arrays(path))
    layouts = _layouts_of_file(path, arrays, source)
    weights = weights or find_published(path)
    layout, spec, remarks = _fitted(path, arrays, layouts, network, weights)
    ours = from_layout(arrays, layout, spec)
    for name, array in ours.items():
        if name.endswith("running_var") and bool((np.asarray(array, np.float64) < 0).any()):
            raise NegativeVariances(path, name)
    card = _card(path, spec, layout, labels, weights)
    if weights is None:
        remarks += (_assumed(spec, layout, labels),)
    return Converted(
        checkpoint=Checkpoint(card, ours),
        layout=layout.name,
        max_abs_difference=(
            onnx_difference(path, ours, spec)
            if path.suffix == ".onnx"
            else _there_and_back(arrays, ours, layout, spec)
        ),
        remarks=remarks,
    )


def _unprefixed(arrays: Arrays) -> Arrays:
    """Take away what torch's DataParallel put before names."""
    return {name.removeprefix("module."): array for name, array in arrays.items()}


def _layouts_of_file(path: Path, arrays: Arrays, source: str) -> tuple[Layout, ...]:
    """Say whose names a file has.

    Raises:
        OtherSource: the names in the file are of another project than the one given.
        UnknownSource: the names in the file are of no known project.
        CheckpointError: of nobody known, or not of ``source``.
    """
    layouts = recognised(arrays)
    if not layouts:
        raise UnknownSource(path, list(arrays), SOURCES)
    if source != "auto" and layouts[0].name not in SOURCES[source]:
        raise OtherSource(path, layouts[0].name, source)
    return layouts


def _fitted(
    path: Path,
    arrays: Arrays,
    layouts: Sequence[Layout],
    network: str | None,
    weights: Weights | None,
) -> tuple[Layout, NetworkSpec, tuple[str, ...]]:
    """Find the network that a file holds, and what is to be remarked on that choice.

    Raises:
        CheckpointMismatch: it holds no whole network.
        UnknownName: ``network`` is none that the file's project has.
    """
    known = [name for layout in layouts for name in layout.networks]
    if network is not None and network not in known:
        raise UnknownName(f"network of {layouts[0].name}", network, known)
    if weights is not None and weights.source not in (layouts[0].source, "onnx_zoo"):
        difference = f"{path.name} has the names of {layouts[0].name}, not of {weights.source}"
        raise CheckpointMismatch(weights.network, [difference])
    told = network or (weights.network if weights else None)
    tried = []
    for layout in layouts:
        names = (told,) if told in layout.networks else layout.networks
        tried.append((layout, *fitting(arrays, layout, tuple(name for name in names if name))))
    layout, spec, found = min(tried, key=lambda each: len(each[2]))
    if found:
        raise CheckpointMismatch(spec.name, found)
    if weights is not None and spec.name != weights.network:
        raise CheckpointMismatch(weights.network, [f"{path.name} is of {spec.name!r}"])
    if told is not None:
        return layout, spec, (weights.defects,) if weights and weights.defects else ()
    for name, twin, word in layout.twins:
        if spec.name == name and word in path.name.lower():
            return layout, fitting(arrays, layout, (twin,))[0], ()
        if spec.name == name:
            remark = (
                f"{twin!r} has the same names and shapes as {name!r}, which this was taken for: "
                f"if it is that one, convert it again with --network {twin}."
            )
            return layout, spec, (remark,)
    return layout, spec, ()


def _card(
    path: Path,
    spec: NetworkSpec,
    layout: Layout,
    labels: Sequence[Label] | None,
    weights: Weights | None,
) -> Card:
    if labels is None:
        if spec.classes != 1000:
            raise LabelsNeeded(path, spec.classes)
        labels = label_set("imagenet-1k")
    if len(labels) != spec.classes:
        raise LabelCount(path, spec.classes, len(labels))
    if weights is not None:
        return replace(published_card(weights), network=spec, labels=tuple(labels))
    similar = _similar(spec, layout)
    return Card(
        name=_stem(path),
        network=spec,
        preprocess=similar.preprocess if similar else preprocess_for(224),
        labels=tuple(labels),
        origin=Origin(
            data="not stated",
            licence="not stated",
            started_from=path.name,
            software=layout.source,
        ),
    )


def _stem(path: Path) -> str:
    """Take the ending off a file's name, which may have other full stops.

    >>> _stem(Path("ShuffleNetV2.0.5x.pth.tar"))
    'ShuffleNetV2.0.5x'
    """
    name = path.name
    for suffix in (".tar", ".pth", ".pkl", ".pt", ".pdparams", ".onnx", ".safetensors"):
        name = name.removesuffix(suffix)
    return name


def _similar(spec: NetworkSpec, layout: Layout) -> Weights | None:
    """Find what the same project published of the same network, or at least of the generation."""
    of_source = [w for w in WEIGHTS.values() if w.source == layout.source]
    same = [w for w in of_source if w.network == spec.name]
    generation = [w for w in of_source if type(NETWORKS[w.network]) is type(spec)]
    return next(iter(same or generation), None)


def _assumed(spec: NetworkSpec, layout: Layout, labels: Sequence[Label] | None) -> str:
    """Say what the card of an unknown file has from elsewhere."""
    similar = _similar(spec, layout)
    prepared = f"for {similar.name!r}" if similar else "for torchvision's at 224 px"
    classes = ", and the classes to be ImageNet's thousand: --labels names others"
    return (
        "No file of this hash is in the catalogue, so that images are assumed to be prepared as "
        f"{prepared}{'' if labels else classes}."
    )


def _there_and_back(theirs: Arrays, ours: Arrays, layout: Layout, spec: NetworkSpec) -> float:
    back = to_layout(ours, layout, spec)
    folded = {bias for bias, _ in layout.biases}
    folded |= {layout.naming(mean, spec) for _, mean in layout.biases}
    return max(
        apart(theirs[name], array)
        for name, array in back.items()
        if name in theirs and name not in folded and not name.endswith("num_batches_tracked")
    )
