"""Writing checkpoints in the layouts that other projects load."""

import io
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from shufflenet.convert._fit import from_layout, max_abs_difference, to_layout
from shufflenet.convert._layouts import LAYOUTS, TARGETS, Layout
from shufflenet.convert._read import Arrays
from shufflenet.convert._rewire import NotRewirable, rewire
from shufflenet.errors import LayoutError, SpecError, UnknownName
from shufflenet.files import Checkpoint, write_atomic
from shufflenet.spec import NetworkSpec
from shufflenet.zoo import NETWORKS

__all__ = ["Written", "write_layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file in another project's layout.

    Attributes:
        path: The file.
        network: Our name of the network that the other project builds for it.
        max_abs_difference: Between our arrays and the written ones converted back.
    """

    path: str
    network: str
    max_abs_difference: float


def write_layout(checkpoint: Checkpoint, path: str | Path, target: str) -> Written:
    """Write a checkpoint in the layout that another project loads.

    Args:
        checkpoint: The weights and their card.
        path: The file to write, with a suffix of that project's files.
        target: A name of ``TARGETS``.

    Raises:
        LayoutError: that project's code cannot compute this network, in any order of channels.
        SpecError: the path has a suffix of another project's files.
        UnknownName: there is no such layout.
        WriteError: the file cannot be written; the old file is unchanged.
    """
    if target not in TARGETS:
        raise UnknownName("layout", target, TARGETS)
    path, spec = Path(path), checkpoint.card.network
    arrays = {name: _widen(array) for name, array in checkpoint.tensors.items()}
    reasons = []
    for layout in (layout for layout in LAYOUTS if layout.name in TARGETS[target]):
        for theirs in _counterparts(spec, layout):
            try:
                wired = rewire(arrays, spec, theirs)
            except NotRewirable as error:
                reasons.append(str(error))
                continue
            if layout.unwritten:
                raise LayoutError(spec.name, target, layout.unwritten)
            _check_suffix(path, layout)
            named = to_layout(wired, layout, theirs)
            back = rewire(from_layout(named, layout, theirs), theirs, spec)
            write_atomic(path, _serialize(named, layout))
            return Written(
                path=str(path),
                network=theirs.name,
                max_abs_difference=max(
                    max_abs_difference(arrays[name], back[name]) for name in arrays
                ),
            )
    reason = reasons[0] if reasons else f"{target} has no network of this kind and these widths"
    raise LayoutError(spec.name, target, reason)


def _check_suffix(path: Path, layout: Layout) -> None:
    if not path.name.lower().endswith(layout.suffixes):
        expected = " or ".join(layout.suffixes)
        raise SpecError("the file to write", str(path), f"a path that ends in {expected}")


def _widen(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Convert float16, in which our files store what is exact in it, to float32."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _counterparts(spec: NetworkSpec, layout: Layout) -> list[NetworkSpec]:
    """List the networks of a layout that have the spec's generation, widths and activation."""
    counterparts = []
    for name in layout.builds:
        theirs = replace(NETWORKS[name], classes=spec.classes, in_channels=spec.in_channels)
        same = type(theirs) is type(spec) and all(
            getattr(theirs, field, None) == getattr(spec, field, None)
            for field in ("stages", "groups", "head_channels", "stem_channels")
        )
        if same:
            counterparts.append(theirs)
    return counterparts


def _serialize(arrays: Arrays, layout: Layout) -> bytes:
    if layout.pickled:
        return pickle.dumps(arrays, protocol=4)  # paddle.save's
    named = {f"{layout.prefix}{name}": torch.from_numpy(array) for name, array in arrays.items()}
    buffer = io.BytesIO()
    torch.save({layout.wrapper: named} if layout.wrapper else named, buffer)
    return buffer.getvalue()
