"""The networks as values: every difference between two of them is a field of their specs."""

import math
from dataclasses import dataclass, field, fields
from itertools import accumulate
from operator import mul
from typing import Literal, TypeAlias

from shufflenet.errors import SpecError
from shufflenet.spec._bounds import (
    MAX_CHANNELS,
    MAX_CLASSES,
    MAX_UNITS,
    require_one_of,
    require_short,
    require_within,
)
from shufflenet.spec._stages import Activation, SearchedStage, Stage

__all__ = [
    "NetworkSpec",
    "Split",
    "V1Spec",
    "V2ExLargeSpec",
    "V2LargeSpec",
    "V2PlusSpec",
    "V2Spec",
    "differing_fields",
]

Split: TypeAlias = Literal["halves", "even-odd"]

_MAX_STEM = 100  # convolutions


class _Network:
    """The properties that all specs share.

    A property that returns a constant here describes a part that most generations lack; a spec
    whose generation has the part overrides it with a field.
    """

    __slots__ = ()
    stages: tuple[Stage, ...] | tuple[SearchedStage, ...]
    stem_channels: int | tuple[int, ...]
    stem_stride: int

    @property
    def stem_widths(self) -> tuple[int, ...]:
        """The output channels of each 3x3 convolution of the stem."""
        channels = self.stem_channels
        return channels if isinstance(channels, tuple) else (channels,)

    @property
    def stage_inputs(self) -> tuple[int, ...]:
        """The input channels of each stage."""
        return (self.stem_widths[-1], *(stage.channels for stage in self.stages[:-1]))

    @property
    def map_strides(self) -> tuple[int, ...]:
        """How many times smaller than the image the feature map of each stage is."""
        _, *strides = accumulate(
            (each.stride for each in self.stages), mul, initial=self.stem_stride
        )
        return tuple(strides)

    @property
    def activation(self) -> Activation:
        """The activation of the stem, the head and the hidden layer."""
        return "relu"

    @property
    def head_channels(self) -> int:
        """The output channels of the convolution after the last stage; 0 if there is none."""
        return 0

    @property
    def head_kernel(self) -> int:
        """The kernel size of that convolution."""
        return 1

    @property
    def feature_channels(self) -> int:
        """The channels of the last feature map, which the average pool reads."""
        return self.head_channels or self.stages[-1].channels

    @property
    def head_squeeze(self) -> bool:
        """Whether squeeze and excitation follows the average pool."""
        return False

    @property
    def hidden_channels(self) -> int:
        """The outputs of a linear layer before the classifier; 0 if there is none."""
        return 0

    @property
    def embedding_channels(self) -> int:
        """The number of inputs of the classifier."""
        return self.hidden_channels or self.feature_channels

    @property
    def dropout(self) -> float:
        """The probability that training sets an input of the classifier to 0."""
        return 0.0

    @property
    def norm_eps(self) -> float:
        """The number that batch norms add to variances."""
        return 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class V1Spec(_Network):
    """A ShuffleNet V1.

    A unit is a grouped 1x1 convolution, a depthwise 3x3, the shuffle and a grouped 1x1. The first
    unit of a stage has a stride, and concatenates its convolved channels with its average-pooled
    input; the others add their input.

    Attributes:
        groups: The groups of the 1x1 convolutions.
        stem_stride: The stride of the stem, as in ``V2Spec``.
        shuffle: The direction in which channels are interleaved: ``standard`` as in the paper,
            ``inverse`` the inverse permutation (Megvii's own code).
        first_grouped: Whether the first 1x1 convolution of the network is grouped too.
        bottleneck: The width of a unit between its convolutions: a ``quarter`` of the unit's
            output channels, or as many as its last convolution has outputs (``none``).
        pooled_first: Whether pooled channels come before convolved ones in the concatenation.
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
        _check_common(self)
        require_within(self, 1, MAX_CHANNELS, "groups", "stem_channels")
        require_one_of(self, "shuffle", "standard", "inverse")
        require_one_of(self, "bottleneck", "quarter", "none")
        for channels, stage in zip(self.stage_inputs, self.stages, strict=True):
            if stage.channels <= channels:
                expected = f"more than the {channels} before, which the first unit adds to"
                raise SpecError("channels", stage.channels, expected)
            for width in (stage.channels - channels, stage.channels, self.middle(stage.channels)):
                if width % self.groups or width < 1:
                    raise SpecError("groups", self.groups, f"a divisor of {width} channels")

    def middle(self, channels: int, convolved: int | None = None) -> int:
        """Return the number of channels between the convolutions of a unit.

        Args:
            channels: The unit's output channels.
            convolved: Those that its last convolution computes; all of them if None.
        """
        return channels // 4 if self.bottleneck == "quarter" else convolved or channels


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Spec(_Network):
    """A ShuffleNet V2.

    Attributes:
        head_channels: The output channels of the 1x1 convolution after the last stage.
        stem_stride: How many times smaller than the image the stem's feature map is. 4 is the
            paper's (a convolution of stride 2, then a max pool of stride 2) and suits images of
            about 224 px; 2 omits the pool and suits 64 px; 1 has no stride either and suits
            32 px. Three stages divide by another 8, so that the last map of an image of 224, 64
            or 32 px is 7x7, 4x4 or 4x4.
        split: Which channels a unit transforms: the second of two ``halves``, followed by a
            shuffle (the paper's Figure 3, torchvision); or the odd ones of ``even-odd``, without
            a shuffle (Megvii's own code).
        projection: The output channels of the first branch of a unit that opens a stage: ``half``
            of the unit's, or as many as the unit's ``input`` has.
        norm_eps: The number that batch norms add to variances.

    Source: Ma et al. 2018, Table 5 and Figure 3, https://arxiv.org/abs/1807.11164
    """

    name: str
    stages: tuple[Stage, ...]
    head_channels: int = field()  # required: without field(), _Network's property is the default
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
        _check_common(self)
        require_within(self, 1, MAX_CHANNELS, "head_channels", "stem_channels")
        require_one_of(self, "activation", "relu", "swish", "hard-swish")
        require_one_of(self, "split", "halves", "even-odd")
        require_one_of(self, "projection", "half", "input")
        if not 0 < self.norm_eps < 1:
            raise SpecError("norm_eps", self.norm_eps, "more than 0 and less than 1")
        for channels, stage in zip(self.stage_inputs, self.stages, strict=True):
            _require_room(stage.channels, self.projected(channels, stage.channels))

    def projected(self, in_channels: int, channels: int) -> int:
        """Return how many of an opening unit's output ``channels`` its first branch computes."""
        return channels // 2 if self.projection == "half" else in_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class V2PlusSpec(_Network):
    """A ShuffleNet V2 whose units were searched: V2+, One-Shot or DetNAS; all split even-odd.

    Attributes:
        head_channels: The output channels of the 1x1 convolution after the last stage.
        activation: The activation of the stem, the head and the hidden layer.
        head_squeeze: Whether squeeze and excitation follows the average pool.
        hidden_channels: The outputs of a linear layer before the classifier; 0 for none.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2+, OneShot, DetNAS: network.py
    """

    name: str
    stages: tuple[SearchedStage, ...]
    head_channels: int = field()  # required: without field(), _Network's property is the default
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
        _check_common(self)
        require_within(self, 1, MAX_CHANNELS, "head_channels", "stem_channels")
        require_one_of(self, "activation", "relu", "swish", "hard-swish")
        require_within(self, 0, MAX_CHANNELS, "hidden_channels")
        _require_squeeze(self.head_channels, 4 if self.head_squeeze else 0)
        for channels, stage in zip(self.stage_inputs, self.stages, strict=True):
            _require_room(stage.channels, channels)
            outputs = min(stage.channels - channels, stage.channels // 2)
            _require_squeeze(outputs, 4 if stage.squeeze else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class V2LargeSpec(_Network):
    """ShuffleNet V2 Large: wide units with a residual, grouped 3x3 convolutions, and SE.

    By depth and cost it is the SE-ShuffleNet V2-164 of the paper's Table 7.

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

    @property
    def head_kernel(self) -> int:
        """The kernel size of the convolution after the last stage."""
        return 3

    @property
    def norm_eps(self) -> float:
        """The number that batch norms add to variances: ``Conv_BN_ReLU`` of the source."""
        return 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class V2ExLargeSpec(_Network):
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
        require_within(self, 1, MAX_CHANNELS, "squeeze_reduction")
        _check_large(self, grouped=1)
        for stage in self.stages:
            _require_squeeze(stage.channels // 2, self.squeeze_reduction)


NetworkSpec: TypeAlias = V1Spec | V2Spec | V2PlusSpec | V2LargeSpec | V2ExLargeSpec


def _check_common(spec: NetworkSpec) -> None:
    """Check the fields that all generations have.

    Raises:
        SpecError: a field is outside what is allowed.
    """
    require_short(spec, "name")
    require_within(spec, 1, MAX_CHANNELS, "in_channels")
    require_within(spec, 1, MAX_CLASSES, "classes")
    require_one_of(spec, "stem_stride", 4, 2, 1)
    if not 0 <= spec.dropout < 1:
        raise SpecError("dropout", spec.dropout, "at least 0 and less than 1")
    if not spec.stages:
        raise SpecError("stages", spec.stages, "at least one stage")
    units = sum(stage.repeats for stage in spec.stages)
    if units > MAX_UNITS:
        raise SpecError("the number of units", units, f"at most {MAX_UNITS}")


def _require_squeeze(channels: int, reduction: int) -> None:
    """Check that squeeze and excitation, if there is one, leaves a channel.

    Raises:
        SpecError: it leaves none.
    """
    if reduction and channels < reduction:
        raise SpecError("channels", channels, f"at least {reduction}, which are squeezed to one")


def _require_room(channels: int, projected: int) -> None:
    if projected >= channels:
        raise SpecError("channels", channels, f"more than the {projected} of its first branch")


def _check_large(spec: V2LargeSpec | V2ExLargeSpec, *, grouped: int) -> None:
    """Check the fields that Large and ExLarge share.

    Args:
        spec: The network.
        grouped: Grouped convolutions have ``stage.channels // grouped`` channels.

    Raises:
        SpecError: a field is outside what is allowed.
    """
    _check_common(spec)
    require_within(spec, 1, MAX_CHANNELS, "groups")
    if not 1 <= len(spec.stem_channels) <= _MAX_STEM or spec.stem_channels[-1] % 2:
        expected = f"1 to {_MAX_STEM} numbers, the last one even"
        raise SpecError("stem_channels", spec.stem_channels, expected)
    if not 1 <= min(spec.stem_channels) <= max(spec.stem_channels) <= MAX_CHANNELS:
        raise SpecError("stem_channels", spec.stem_channels, f"from 1 to {MAX_CHANNELS}")
    for stage in spec.stages:
        if stage.channels // grouped % spec.groups:
            width = stage.channels // grouped
            raise SpecError("groups", spec.groups, f"a divisor of {width} channels")


def differing_fields(one: NetworkSpec, other: NetworkSpec) -> set[str]:
    """Return the names of the fields in which two networks of one generation differ.

    Floats that are equal in float32 do not differ: Paddle's 1e-5 is a rounded one.

    >>> stages = (Stage(channels=116, repeats=4),)
    >>> small = V2Spec(name="small", stages=stages, head_channels=512)
    >>> differing_fields(small, V2Spec(name="small", stages=stages, head_channels=512, classes=9))
    {'classes'}
    """
    names = (each.name for each in fields(one))
    return {name for name in names if not _same(getattr(one, name), getattr(other, name))}


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=2**-24)
    return one == other
