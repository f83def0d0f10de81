"""The layers of torchvision's quantized V2, from the names and values in its file.

Sources: torchvision 0.28.0, models/quantization/shufflenetv2.py; torch 2.13,
ao/nn/quantized/modules/conv.py and linear.py (``_save_to_state_dict``, whose three versions put
the classifier's weights under three names)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.convert._pickled_values import QuantizedArray, Stored
from shufflenet.errors import CheckpointMismatch, ImpossibleScale, UnknownSource
from shufflenet.int8 import Int8Weights
from shufflenet.spec import V2Spec
from shufflenet.zoo import NETWORKS

__all__ = ["Affine", "QuantizedLayer", "QuantizedState", "read_state"]

_NAMES = tuple(f"shufflenet_v2_{width}" for width in ("x0_5", "x1_0", "x1_5", "x2_0"))
_NETWORKS = tuple(spec for name in _NAMES if isinstance(spec := NETWORKS[name], V2Spec))
# The classifier's pair of weights and bias, or both by themselves, in torch's three versions.
_PACKED = "fc._packed_params._packed_params"
_OLD_PACKED = "fc._packed_params."
_LEAST, _GREATEST = 1e-30, 1e30  # of scales and biases; float32 multiplies two of them safely
_UNIT = re.compile(r"stage([234])\.(\d+)\.branch2\.0\.weight")


@dataclass(frozen=True, slots=True)
class Affine:
    """What the bytes of a tensor mean: ``(byte - zero_point) * scale``."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False, slots=True)
class QuantizedLayer:
    """A convolution or the classifier as torch stores it.

    Attributes:
        weights: ``(out, in / groups, kh, kw)`` with a scale for each output.
        bias: ``(out,)``.
        output: What the bytes of its output mean.
    """

    weights: Int8Weights
    bias: npt.NDArray[np.float64]
    output: Affine


class QuantizedState:
    """The values of a quantized network by name."""

    def __init__(self, path: Path, values: Mapping[str, object]) -> None:
        self._path, self._values = path, dict(values)

    @property
    def classes(self) -> int:
        """The number of rows of the classifier."""
        weight, _ = self._weight_and_bias("fc")
        return _rows(weight)

    def affine(self, name: str) -> Affine:
        """Read what the bytes of a tensor mean, from ``NAME.scale`` and ``NAME.zero_point``.

        Raises:
            ImpossibleScale: they are not those of bytes.
        """
        numbers = [self._number(f"{name}.{each}") for each in ("scale", "zero_point")]
        scale, zero_point = numbers
        if not (_LEAST < scale < _GREATEST and zero_point in range(256)):
            raise ImpossibleScale(self._path, name)
        return Affine(float(np.float32(scale)), int(zero_point))

    def layer(self, name: str) -> QuantizedLayer:
        """Read a convolution or the classifier."""
        weight, bias = self._weight_and_bias(name)
        return QuantizedLayer(
            self._weights(name, weight), self._bias(name, bias), self.affine(name)
        )

    def _weight_and_bias(self, name: str) -> tuple[object, object]:
        pair = self._values.get(_PACKED) if name == "fc" else None
        if isinstance(pair, tuple) and len(pair) == 2:
            return pair
        prefix = (
            _OLD_PACKED if name == "fc" and f"{_OLD_PACKED}weight" in self._values else f"{name}."
        )
        return self._values.get(f"{prefix}weight"), self._values.get(f"{prefix}bias")

    def _weights(self, name: str, weight: object) -> Int8Weights:
        """Check quantized weights.

        Raises:
            ImpossibleScale: a scale is not positive, or a zero point is not 0.
        """
        if not isinstance(weight, QuantizedArray):
            raise ImpossibleScale(self._path, f"{name}.weight")
        codes, scale = weight.integers.read(), _numbers(weight.scale)
        shaped = codes.reshape(codes.shape + (1,) * (4 - codes.ndim))
        fits = codes.ndim in (2, 4) and codes.dtype == np.int8 and weight.axis == 0
        fits = fits and scale.shape in ((), (len(codes),)) and not _numbers(weight.zero_point).any()
        if not (fits and (scale > _LEAST).all() and (scale < _GREATEST).all()):
            raise ImpossibleScale(self._path, f"{name}.weight")
        return Int8Weights(
            shaped.astype(np.int8), np.broadcast_to(scale, len(codes)).astype(np.float32)
        )

    def _bias(self, name: str, bias: object) -> npt.NDArray[np.float64]:
        """Check a bias.

        Raises:
            ImpossibleScale: it is not one of finite numbers.
        """
        array = _numbers(bias)
        if array.ndim != 1 or not (np.abs(array) < _GREATEST).all():
            raise ImpossibleScale(self._path, f"{name}.bias")
        return array

    def _number(self, name: str) -> float:
        array = _numbers(self._values.get(name))
        return float(array.item()) if array.size == 1 else np.nan


def _numbers(value: object) -> npt.NDArray[np.float64]:
    """Return a stored array or a number in float64; NaN for anything else."""
    array = np.asarray(value.read() if isinstance(value, Stored) else value)
    return array.astype(np.float64) if array.dtype.kind in "iuf" else np.array(np.nan)


def read_state(path: Path, saved: object) -> tuple[QuantizedState, V2Spec]:
    """Return the values of a quantized V2, and the network that they are of.

    Args:
        path: The file's name in errors.
        saved: What was saved: the values by name.

    Raises:
        UnknownSource: the names are not those of torchvision's quantized V2.
        CheckpointMismatch: some are missing, or they are of other widths than torchvision's.
    """
    values = _without_wrapper(saved)
    names = [str(name) for name in values]
    if "quant.scale" not in values or not any(map(_UNIT.fullmatch, names)):
        raise UnknownSource(path, names, ("torchvision",))
    repeats = [
        1 + max((int(m[2]) for m in map(_UNIT.fullmatch, names) if m and m[1] == stage), default=-1)
        for stage in "234"
    ]
    widths = [2 * _rows(values.get(f"stage{stage}.0.branch2.5.weight")) for stage in "234"]
    head = _rows(values.get("conv5.0.weight"))
    for spec in _NETWORKS:
        same = [(stage.channels, stage.repeats) for stage in spec.stages]
        if same == list(zip(widths, repeats, strict=True)) and spec.head_channels == head:
            state = QuantizedState(path, values)
            return state, replace(spec, classes=state.classes)
    difference = f"stages have {widths} channels and {repeats} units, and the head has {head}"
    raise CheckpointMismatch("a V2 of torchvision's", [difference])


def _without_wrapper(saved: object) -> Mapping[str, object]:
    """Return the dictionary that has the weights: what was saved, or one that it holds."""
    if not isinstance(saved, Mapping):
        return {}
    inner = [each for each in saved.values() if isinstance(each, Mapping) and "quant.scale" in each]
    return inner[0] if inner else saved


def _rows(weight: object) -> int:
    """Return the rows of quantized weights, as the file states them; 0 if there are none."""
    rows = weight.shape[0] if isinstance(weight, QuantizedArray) and weight.shape else 0
    return rows if isinstance(rows, int) else 0
