"""Identifying the project and the network that a file's arrays belong to."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from shufflenet.convert._families import family_of
from shufflenet.convert._fit import best_fit, layouts_of, shapes
from shufflenet.convert._layouts import SOURCES, Layout
from shufflenet.convert._read import Arrays
from shufflenet.errors import (
    CheckpointMismatch,
    NoClassifier,
    OtherSource,
    UnknownName,
    UnknownSource,
)
from shufflenet.spec import NetworkSpec
from shufflenet.zoo import Weights

__all__ = ["identify", "layouts_of_file"]


def layouts_of_file(path: Path, arrays: Arrays, source: str) -> tuple[Layout, ...]:
    """Return the layouts that a file's names may be of: one, or several of one project.

    Raises:
        OtherSource: the names are not of ``source``, unless it is ``auto``.
        UnknownSource: the names are of no known project.
    """
    layouts = layouts_of(arrays)
    if not layouts:
        raise UnknownSource(path, list(arrays), SOURCES, family_of(arrays))
    if source != "auto" and layouts[0].name not in SOURCES[source]:
        raise OtherSource(path, layouts[0].name, source)
    return layouts


def identify(
    path: Path,
    arrays: Arrays,
    layouts: Sequence[Layout],
    network: str | None,
    weights: Weights | None,
    others: Sequence[str] = (),
) -> tuple[Layout, NetworkSpec, tuple[str, ...]]:
    """Return the layout and network of a file's arrays, and remarks about that choice.

    Args:
        path: The file.
        arrays: Its arrays.
        layouts: The candidates, see :func:`layouts_of_file`.
        network: The network's name, if a user gave one.
        weights: The file's entry in the catalogue, if there is one.
        others: The names of arrays beside them in the file.

    Raises:
        NoClassifier: only the last layers are missing.
        CheckpointMismatch: the arrays are not the complete weights of a network.
        UnknownName: ``network`` is none of the file's project.
    """
    known = [name for layout in layouts for name in layout.networks]
    if network is not None and network not in known:
        raise UnknownName(f"network of {layouts[0].name}", network, known)
    if weights is not None and weights.source not in (layouts[0].source, "onnx_zoo"):
        difference = f"{path.name} has the names of {layouts[0].name}, not of {weights.source}"
        raise CheckpointMismatch(weights.network, [difference])
    expected = network or (weights.network if weights else None)
    fits = []
    for layout in layouts:
        names = (expected,) if expected in layout.networks else layout.networks
        fits.append((layout, *best_fit(arrays, layout, tuple(name for name in names if name))))
    layout, spec, differences = min(fits, key=lambda fit: len(fit[2]))
    if differences:
        _refuse(path, layout, spec, differences, others)
    if weights is not None and spec.name != weights.network:
        raise CheckpointMismatch(weights.network, [f"{path.name} is of {spec.name!r}"])
    if expected is not None:
        return layout, spec, (weights.defects,) if weights and weights.defects else ()
    return _choose_twin(path, arrays, layout, spec)


def _refuse(
    path: Path, layout: Layout, spec: NetworkSpec, differences: list[str], others: Sequence[str]
) -> NoReturn:
    """Raise the error for arrays that are not the complete weights of a network.

    Raises:
        NoClassifier: only the last layers are missing.
        CheckpointMismatch: there are other differences.
    """
    last = [name for name in shapes(spec) if name.startswith(("conv5.", "neck.", "fc."))]
    absent = {f"{layout.naming(name, spec)} is missing" for name in last}
    classifier = layout.naming("fc.weight", spec)
    if f"{classifier} is missing" in differences and absent.issuperset(differences):
        parts = list(dict.fromkeys(name.split(".")[0] for name in others))
        raise NoClassifier(path, spec.name, classifier, parts)
    raise CheckpointMismatch(spec.name, differences)


def _choose_twin(
    path: Path, arrays: Arrays, layout: Layout, spec: NetworkSpec
) -> tuple[Layout, NetworkSpec, tuple[str, ...]]:
    """Choose between networks with the same names and shapes by the name of the file."""
    for name, twin, word in layout.twins:
        if spec.name == name and word in path.name.lower():
            return layout, best_fit(arrays, layout, (twin,))[0], ()
        if spec.name == name:
            remark = (
                f"The file was converted as {name!r}, but {twin!r} has the same names and shapes: "
                f"if it is that network, convert it again with --network {twin}."
            )
            return layout, spec, (remark,)
    return layout, spec, ()
