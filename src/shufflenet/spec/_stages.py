"""The stages of a network: units that work at one resolution."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shufflenet.errors import SpecError
from shufflenet.spec._bounds import MAX_CHANNELS, MAX_UNITS, require_one_of, require_within

__all__ = ["Activation", "SearchedStage", "Stage", "UnitKind"]

Activation: TypeAlias = Literal["relu", "swish", "hard-swish"]
UnitKind: TypeAlias = Literal["3x3", "5x5", "7x7", "xception"]


def _require_even_channels(channels: int) -> None:
    if not 2 <= channels <= MAX_CHANNELS or channels % 2:
        expected = f"even and positive, to be split in two, and at most {MAX_CHANNELS}"
        raise SpecError("channels", channels, expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Units of one kind.

    Attributes:
        channels: The channels of every unit's output.
        repeats: The number of units.
        stride: The stride of the first unit, 2 or 1; the other units have stride 1.
    """

    channels: int
    repeats: int
    stride: int = 2

    def __post_init__(self) -> None:
        _require_even_channels(self.channels)
        if self.repeats < 1:
            raise SpecError("repeats", self.repeats, "at least 1, the unit that opens the stage")
        require_within(self, 1, MAX_UNITS, "repeats")
        require_one_of(self, "stride", 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedStage:
    """Units of several kinds, as an architecture search found them; the first has stride 2.

    Attributes:
        channels: The channels of every unit's output.
        kinds: The kind of each unit: ``3x3``, ``5x5`` and ``7x7`` are a 1x1 convolution, a
            depthwise one of that size and a 1x1; ``xception`` is a depthwise 3x3 and a 1x1, three
            times.
        middles: The channels between the convolutions of each unit; if empty, half of
            ``channels`` in every unit.
        activation: The activation of every unit.
        squeeze: Whether every unit ends with squeeze and excitation.
    """

    channels: int
    kinds: tuple[UnitKind, ...]
    middles: tuple[int, ...] = ()
    activation: Activation = "relu"
    squeeze: bool = False

    def __post_init__(self) -> None:
        _require_even_channels(self.channels)
        if not self.kinds:
            raise SpecError("kinds", self.kinds, "at least one, of the unit that halves the size")
        for kind in self.kinds:
            if kind not in ("3x3", "5x5", "7x7", "xception"):
                raise SpecError("kinds", kind, "'3x3', '5x5', '7x7' or 'xception'")
        middles = self.middles or (1,) * len(self.kinds)
        if len(middles) != len(self.kinds) or not 1 <= min(middles) <= max(middles) <= MAX_CHANNELS:
            expected = f"{len(self.kinds)} positive numbers, at most {MAX_CHANNELS}"
            raise SpecError("middles", self.middles, expected)
        require_one_of(self, "activation", "relu", "swish", "hard-swish")

    @property
    def repeats(self) -> int:
        """The number of units."""
        return len(self.kinds)

    @property
    def stride(self) -> int:
        """The stride of the first unit, always 2."""
        return 2

    def middle(self, unit: int) -> int:
        """Return the number of channels between the convolutions of a unit."""
        return self.middles[unit] if self.middles else self.channels // 2
