"""What networks are: every difference between two of them is a field here."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shufflenet.errors import SpecError

__all__ = [
    "Activation",
    "NetworkSpec",
    "SearchedStage",
    "Split",
    "Stage",
    "UnitKind",
    "V1Spec",
    "V2ExLargeSpec",
    "V2LargeSpec",
    "V2PlusSpec",
    "V2Spec",
    "differing_fields",
]

Activation: TypeAlias = Literal["relu", "swish", "hard-swish"]
Split: TypeAlias = Literal["halves", "even-odd"]
UnitKind: TypeAlias = Literal["3x3", "5x5", "7x7", "xception"]


def _require_positive(spec: object, *fields: str) -> None:
    for field in fields:
        if getattr(spec, field) < 1:
            raise SpecError(field, getattr(spec, field), "at least 1")


def _require_one_of(spec: object, field: str, *allowed: object) -> None:
    if getattr(spec, field) not in allowed:
        *most, last = map(repr, allowed)
        raise SpecError(field, getattr(spec, field), f"{', '.join(most)} or {last}")


def _require_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise SpecError("dropout", dropout, "at least 0 and less than 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Units at one resolution: the first shrinks height and width by ``stride``, 2 or 1."""

    channels: int
    repeats: int
    stride: int = 2

    def __post_init__(self) -> None:
        if self.channels < 2 or self.channels % 2:
            raise SpecError("channels", self.channels, "even and positive, to be split in two")
        if self.repeats < 1:
            raise SpecError("repeats", self.repeats, "at least 1, the unit that opens the stage")
        _require_one_of(self, "stride", 2, 1)


def _require_stages(stages: tuple[object, ...]) -> None:
    if not stages:
        raise SpecError("stages", stages, "at least one stage")


@dataclass(frozen=True, slots=True, kw_only=True)
class V1Spec:
    """One ShuffleNet V1.

    In every unit a grouped 1x1 convolution, a depthwise 3x3, the shuffle, and a grouped 1x1 follow
    one another; the first unit of a stage halves the image and adds channels to its average pool.

    Attributes:
        groups: Of the 1x1 convolutions.
        stem_stride: How far the stem shrinks the image, as in ``V2Spec``.
        shuffle: Which way channels are interleaved: ``standard`` is the paper's; ``inverse``
            undoes it (Megvii's own code).
        first_grouped: Whether the very first 1x1 convolution is grouped too.
        bottleneck: How wide the middle of a unit is: a ``quarter`` of the channels that leave it,
            or as many as its last convolution makes (``none``).
        pooled_first: In a unit that halves, whether pooled channels come before convolved ones.
        pool_counts_padding: Whether the zeros around the image count in the average.

    Source: Zhang et al. 2017, Table 1 and Figure 2, https://arxiv.org/abs/1707.01083
    """

    name: str
    groups: int
    stages: tuple[Stage, ...]
    stem_channels: int = 24
    stem_stride: int = 4
    in_channels: int = 3
    classes: int = 1000
    shuffle: Literal["standard", "inverse"] = "standard"
    first_grouped: bool = False
    bottleneck: Literal["quarter", "none"] = "quarter"
    pooled_first: bool = True
    pool_counts_padding: bool = True
    classifier_bias: bool = True

    def __post_init__(self) -> None:
        _require_stages(self.stages)
        _require_positive(self, "groups", "stem_channels", "in_channels", "classes")
        _require_one_of(self, "stem_stride", 4, 2, 1)
        _require_one_of(self, "shuffle", "standard", "inverse")
        _require_one_of(self, "bottleneck", "quarter", "none")
        channels = self.stem_channels
        for stage in self.stages:
            if stage.channels <= channels:
                expected = f"more than the {channels} before, which the first unit adds to"
                raise SpecError("channels", stage.channels, expected)
            for width in (stage.channels - channels, stage.channels, self.middle(stage.channels)):
                if width % self.groups:
                    raise SpecError("groups", self.groups, f"a divisor of {width} channels")
            channels = stage.channels

    def middle(self, channels: int, made: int | None = None) -> int:
        """Say how wide the middle of a unit is that puts out ``channels``, ``made`` by itself."""
        return channels // 4 if self.bottleneck == "quarter" else made or channels


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Spec:
    """One ShuffleNet V2.

    Attributes:
        stem_stride: How far the stem shrinks the image before the first stage: 4 is the paper's
            (a convolution of stride 2, then a max pool of stride 2), meant for images of about
            224 px; 2 leaves the pool out and suits 64 px; 1 has neither and suits 32 px. Three
            stages shrink by another 8, so that 224, 64 and 32 px end as 7x7, 4x4 and 4x4.
        split: Which channels a unit transforms: the second of two ``halves``, its output shuffled
            (the paper's Figure 3, torchvision); or the odd ones of ``even-odd``, without a shuffle
            afterwards (Megvii's own code).
        projection: How many channels the first branch of a unit that opens a stage makes: ``half``
            of the unit's, or as many as the unit's ``input`` has.
        norm_eps: What is added to variances in batch norms.

    Source: Ma et al. 2018, Table 5 and Figure 3, https://arxiv.org/abs/1807.11164
    """

    name: str
    stages: tuple[Stage, ...]
    head_channels: int
    stem_channels: int = 24
    stem_stride: int = 4
    in_channels: int = 3
    classes: int = 1000
    activation: Activation = "relu"
    split: Split = "halves"
    projection: Literal["half", "input"] = "half"
    classifier_bias: bool = True
    dropout: float = 0.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        _require_stages(self.stages)
        _require_positive(self, "head_channels", "stem_channels", "in_channels", "classes")
        _require_one_of(self, "stem_stride", 4, 2, 1)
        _require_one_of(self, "activation", "relu", "swish", "hard-swish")
        _require_one_of(self, "split", "halves", "even-odd")
        _require_one_of(self, "projection", "half", "input")
        if not 0 < self.norm_eps < 1:
            raise SpecError("norm_eps", self.norm_eps, "more than 0 and less than 1")
        _require_dropout(self.dropout)
        inputs = (self.stem_channels, *(stage.channels for stage in self.stages))
        for channels, stage in zip(inputs, self.stages, strict=False):
            _require_room(stage.channels, self.projected(channels, stage.channels))

    def projected(self, in_channels: int, channels: int) -> int:
        """Say how many of ``channels`` the first branch of an opening unit makes."""
        return channels // 2 if self.projection == "half" else in_channels


def _require_room(channels: int, projected: int) -> None:
    if projected >= channels:
        raise SpecError("channels", channels, f"more than the {projected} of its first branch")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedStage:
    """Units of several kinds at one resolution; the first halves height and width.

    Attributes:
        kinds: One a unit: a 1x1, a depthwise of that size and a 1x1, or ``xception``, which is
            three times a depthwise 3x3 and a 1x1.
        middles: How many channels the middle of each unit has; half the stage's unless given.
        squeeze: Whether every unit ends with squeeze and excitation.
    """

    channels: int
    kinds: tuple[UnitKind, ...]
    middles: tuple[int, ...] = ()
    activation: Activation = "relu"
    squeeze: bool = False

    def __post_init__(self) -> None:
        if self.channels < 2 or self.channels % 2:
            raise SpecError("channels", self.channels, "even and positive, to be split in two")
        if not self.kinds:
            raise SpecError("kinds", self.kinds, "at least one, of the unit that halves the size")
        for kind in self.kinds:
            if kind not in ("3x3", "5x5", "7x7", "xception"):
                raise SpecError("kinds", kind, "'3x3', '5x5', '7x7' or 'xception'")
        if self.middles and (len(self.middles) != len(self.kinds) or min(self.middles) < 1):
            raise SpecError("middles", self.middles, f"{len(self.kinds)} positive numbers")
        _require_one_of(self, "activation", "relu", "swish", "hard-swish")

    @property
    def repeats(self) -> int:
        """How many units there are."""
        return len(self.kinds)

    def middle(self, unit: int) -> int:
        """Say how many channels the middle of a unit has."""
        return self.middles[unit] if self.middles else self.channels // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class V2PlusSpec:
    """A ShuffleNet V2 whose units were searched: V2+, One-Shot and DetNAS; all split even-odd.

    Attributes:
        hidden_channels: Of a linear layer between the pool and the classifier; 0 is none.
        head_squeeze: Whether squeeze and excitation acts on what was pooled.
        activation: Of the stem, the head and the hidden layer.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2+, OneShot, DetNAS: network.py
    """

    name: str
    stages: tuple[SearchedStage, ...]
    head_channels: int
    stem_channels: int = 16
    stem_stride: int = 2
    in_channels: int = 3
    classes: int = 1000
    activation: Activation = "relu"
    head_squeeze: bool = False
    hidden_channels: int = 0
    classifier_bias: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _require_stages(self.stages)
        _require_positive(self, "head_channels", "stem_channels", "in_channels", "classes")
        _require_one_of(self, "stem_stride", 4, 2, 1)
        _require_one_of(self, "activation", "relu", "swish", "hard-swish")
        _require_dropout(self.dropout)
        inputs = (self.stem_channels, *(stage.channels for stage in self.stages))
        for channels, stage in zip(inputs, self.stages, strict=False):
            _require_room(stage.channels, channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class V2LargeSpec:
    """ShuffleNet V2 Large: wide units with a residual, grouped 3x3 convolutions, and SE.

    It is the SE-ShuffleNet V2-164 of the paper's Table 7, by depth and cost.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2.Large/network.py
    """

    name: str
    stages: tuple[Stage, ...]
    head_channels: int = 1280
    stem_channels: tuple[int, ...] = (64, 64, 128)
    groups: int = 8
    in_channels: int = 3
    classes: int = 1000
    stem_stride: int = 4
    classifier_bias: bool = True
    dropout: float = 0.2

    def __post_init__(self) -> None:
        _check_large(self, grouped=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class V2ExLargeSpec:
    """ShuffleNet V2 ExLarge: as Large, with a second depthwise 3x3 and a 1x1 after every stage.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2.ExLarge/network.py
    """

    name: str
    stages: tuple[Stage, ...]
    stem_channels: tuple[int, ...] = (64, 128, 256)
    groups: int = 16
    squeeze_reduction: int = 4
    in_channels: int = 3
    classes: int = 1000
    stem_stride: int = 4
    classifier_bias: bool = True
    dropout: float = 0.2

    def __post_init__(self) -> None:
        _require_positive(self, "squeeze_reduction")
        _check_large(self, grouped=1)


def _check_large(spec: V2LargeSpec | V2ExLargeSpec, *, grouped: int) -> None:
    """Check what both have; one in ``grouped`` of a stage's channels is convolved in groups.

    Raises:
        SpecError: a field is outside what is allowed.
    """
    _require_stages(spec.stages)
    _require_positive(spec, "groups", "in_channels", "classes")
    _require_one_of(spec, "stem_stride", 4, 2, 1)
    _require_dropout(spec.dropout)
    if not spec.stem_channels or spec.stem_channels[-1] % 2:
        raise SpecError("stem_channels", spec.stem_channels, "one or more, the last one even")
    for stage in spec.stages:
        if stage.channels // grouped % spec.groups:
            width = stage.channels // grouped
            raise SpecError("groups", spec.groups, f"a divisor of {width} channels")


NetworkSpec: TypeAlias = V1Spec | V2Spec | V2PlusSpec | V2LargeSpec | V2ExLargeSpec


def differing_fields(one: NetworkSpec, other: NetworkSpec) -> set[str]:
    """Name the fields in which two networks of one generation differ.

    Floats that are one number in float32 are the same: Paddle's 1e-5 is everybody's.

    >>> stages = (Stage(channels=116, repeats=4),)
    >>> small = V2Spec(name="small", stages=stages, head_channels=512)
    >>> differing_fields(small, V2Spec(name="small", stages=stages, head_channels=512, classes=9))
    {'classes'}
    """
    fields = type(one).__dataclass_fields__
    return {field for field in fields if not _same(getattr(one, field), getattr(other, field))}


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=2**-24)
    return one == other
