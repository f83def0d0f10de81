"""The card of a converted file, and what is assumed in it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shufflenet.convert._layouts import Layout
from shufflenet.errors import LabelCount, LabelsNeeded, SpecError
from shufflenet.labels import find_repeated, label_set
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Card, Label, NetworkSpec, Origin
from shufflenet.zoo import NETWORKS, WEIGHTS, Weights, published_card

__all__ = ["assumptions", "foreign_card"]


def foreign_card(
    path: Path,
    spec: NetworkSpec,
    layout: Layout,
    labels: Sequence[Label] | None,
    weights: Weights | None,
) -> Card:
    """Build the card of a converted file.

    Args:
        path: The file.
        spec: Its network.
        layout: Its layout.
        labels: The classes in order; by default ImageNet's 1,000.
        weights: The file's entry in the catalogue, if there is one.

    Raises:
        LabelCount: there are more or fewer labels than classes.
        LabelsNeeded: the network has other classes than ImageNet's, and no labels are given.
        SpecError: two classes have one identifier.
    """
    if labels is None:
        if spec.classes != 1000:
            raise LabelsNeeded(path, spec.classes)
        labels = label_set("imagenet-1k")
    if len(labels) != spec.classes:
        raise LabelCount(path, spec.classes, len(labels))
    if repeated := find_repeated(labels):
        name, first, second = repeated
        raise SpecError(f"the label of class {second}", name, f"another than that of class {first}")
    if weights is not None:
        return replace(published_card(weights), network=spec, labels=tuple(labels))
    similar = _most_similar(spec, layout)
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


def assumptions(spec: NetworkSpec, layout: Layout, labels: Sequence[Label] | None) -> str:
    """Return a sentence on what the card of a file outside the catalogue assumes."""
    similar = _most_similar(spec, layout)
    reference = f"for {similar.name!r}" if similar else "for torchvision's at 224 px"
    classes = ", and the classes to be ImageNet's thousand (give others with --labels)"
    return (
        "The catalogue has no file of this hash; images are assumed to be prepared as "
        f"{reference}{'' if labels else classes}."
    )


def _stem(path: Path) -> str:
    """Return a file's name without its suffixes, but with its other full stops.

    >>> _stem(Path("ShuffleNetV2.0.5x.pth.tar"))
    'ShuffleNetV2.0.5x'
    """
    name = path.name
    for suffix in (".tar", ".pth", ".pkl", ".pt", ".pdparams", ".onnx", ".safetensors"):
        name = name.removesuffix(suffix)
    return name


def _most_similar(spec: NetworkSpec, layout: Layout) -> Weights | None:
    """Return weights that the same project published of this network, or of its generation."""
    of_source = [w for w in WEIGHTS.values() if w.source == layout.source]
    same = [w for w in of_source if w.network == spec.name]
    generation = [w for w in of_source if type(NETWORKS[w.network]) is type(spec)]
    return next(iter(same or generation), None)
