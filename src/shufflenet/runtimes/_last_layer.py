"""The last layer of a network, and the scale of what it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DamagedScale, NoLastLayer
from shufflenet.outside import read_json, typed

__all__ = ["SCALE_KEY", "LastLayer", "read_scale"]

_Floats = npt.NDArray[np.float32]

# Of the metadata of ONNX files in int8: a JSON list of what each channel of the embedding is to be
# multiplied by. ``quantize`` divided the channels, so that a byte holds each well, and multiplied
# the weights of the last layer by the same.
SCALE_KEY = "shufflenet.embedding_scale"


def read_scale(metadata: Mapping[str, str], width: int, path: str | Path) -> _Floats | None:
    """Return the factors ``(width,)`` that make a file's embeddings those of the float network.

    None if the file has none: it is in float, or was written before files held them.

    Raises:
        DamagedScale: they are not so many positive numbers.
    """
    if SCALE_KEY not in metadata:
        return None
    try:
        values = typed(read_json(metadata[SCALE_KEY]), tuple[float, ...], "the embedding scale")
        with np.errstate(over="ignore"):  # infinities are looked for below
            scale = np.array(values, np.float32)
    except ValueError as error:  # a SpecError is one
        raise DamagedScale(path, width) from error
    if scale.shape != (width,) or not (scale > 0).all() or not np.isfinite(scale).all():
        raise DamagedScale(path, width)
    return scale


@dataclass(frozen=True, eq=False, slots=True)
class LastLayer:
    """A fully connected layer: ``logits = embedding @ weight.T + bias``.

    Attributes:
        weight: ``(classes, d)``.
        bias: ``(classes,)``; zeros if the layer has none.
    """

    weight: _Floats
    bias: _Floats

    def check(self, shape: tuple[int, int], path: str | Path) -> "LastLayer":
        """Return the layer, whose weights are finite and have the shape ``(classes, d)``.

        Raises:
            NoLastLayer: they do not.
        """
        if self.weight.shape != shape or self.bias.shape != shape[:1]:
            actual = f"{self.weight.shape} and {self.bias.shape}"
            raise NoLastLayer(path, f"has a last layer of weights and biases {actual}, not {shape}")
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise NoLastLayer(path, "has a last layer with infinities or NaN")
        return self
