"""Our checkpoints as other projects load them."""

import io
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from shufflenet.convert._fit import apart, from_layout, to_layout
from shufflenet.convert._layouts import LAYOUTS, TARGETS, Layout
from shufflenet.convert._read import Arrays
from shufflenet.convert._rewire import Impossible, rewire
from shufflenet.errors import LayoutError, SpecError, UnknownName
from shufflenet.files import Checkpoint, write_atomic
from shufflenet.spec import NetworkSpec
from shufflenet.zoo import NETWORKS

__all__ = ["Written", "write_layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file in another project's layout.

    Attributes:
        network: What the weights are there, by our name.
        max_abs_difference: Between our arrays and those that the written ones convert back to.
    """

    path: str
    network: str
    max_abs_difference: float


def write_layout(checkpoint: Checkpoint, path: str | Path, target: str) -> Written:
    """Write a checkpoint as another project loads it.

    Raises:
        LayoutError: no order of weights makes their code compute this network.
        SpecError: the path does not end as files of that project do.
        UnknownName: there is no such layout.
        WriteError: the file cannot be written; what stood there before still does.
    """
    if target not in TARGETS:
        raise UnknownName("layout", target, TARGETS)
    path, spec = Path(path), checkpoint.card.network
    arrays = {name: _widened(array) for name, array in checkpoint.tensors.items()}
    reasons = []
    for layout in (layout for layout in LAYOUTS if layout.name in TARGETS[target]):
        for theirs in _cousins(spec, layout):
            try:
                wired = rewire(arrays, spec, theirs)
            except Impossible as reason:
                reasons.append(str(reason))
                continue
            if layout.unwritten:
                raise LayoutError(spec.name, target, layout.unwritten)
            _check_suffix(path, layout)
            named = to_layout(wired, layout, theirs)
            back = rewire(from_layout(named, layout, theirs), theirs, spec)
            write_atomic(path, _serialised(named, layout))
            return Written(
                path=str(path),
                network=theirs.name,
                max_abs_difference=max(apart(arrays[name], back[name]) for name in arrays),
            )
    because = reasons[0] if reasons else f"{target} has no network of this kind and these widths"
    raise LayoutError(spec.name, target, because)


def _check_suffix(path: Path, layout: Layout) -> None:
    if not path.name.endswith(layout.suffixes):
        expected = " or ".join(layout.suffixes)
        raise SpecError("the file to write", str(path), f"named so that it ends in {expected}")


def _widened(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Undo that our files hold numbers as float16 where nothing is lost by it."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _cousins(spec: NetworkSpec, layout: Layout) -> list[NetworkSpec]:
    """List the networks of a layout that have the spec's generation, widths and activation."""
    cousins = []
    for name in layout.builds:
        theirs = replace(NETWORKS[name], classes=spec.classes, in_channels=spec.in_channels)
        same = type(theirs) is type(spec) and all(
            getattr(theirs, field, None) == getattr(spec, field, None)
            for field in ("stages", "groups", "head_channels", "stem_channels")
        )
        if same:
            cousins.append(theirs)
    return cousins


def _serialised(arrays: Arrays, layout: Layout) -> bytes:
    if layout.pickled:
        return pickle.dumps(arrays, protocol=4)  # paddle.save's
    named = {f"{layout.prefix}{name}": torch.from_numpy(array) for name, array in arrays.items()}
    buffer = io.BytesIO()
    torch.save({layout.wrapper: named} if layout.wrapper else named, buffer)
    return buffer.getvalue()
