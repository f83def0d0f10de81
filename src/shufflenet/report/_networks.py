"""Networks in words: what every field of a spec means, and what sets one apart from the others."""

from collections.abc import Iterator

from shufflenet.spec import (
    NetworkSpec,
    SearchedStage,
    Stage,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)

__all__ = [
    "describe_head",
    "describe_stage",
    "describe_stem",
    "describe_units",
    "differences",
    "format_channels",
    "generation",
]  # fmt: skip

_GENERATIONS: dict[type[NetworkSpec], str] = {
    V1Spec: "ShuffleNet V1 (Zhang et al. 2017, arXiv:1707.01083)",
    V2Spec: "ShuffleNet V2 (Ma et al. 2018, arXiv:1807.11164)",
    V2PlusSpec: "ShuffleNet V2 with searched units (megvii-model/ShuffleNet-Series)",
    V2LargeSpec: "ShuffleNet V2 Large (megvii-model/ShuffleNet-Series)",
    V2ExLargeSpec: "ShuffleNet V2 ExLarge (megvii-model/ShuffleNet-Series)",
}
_STEM_STRIDES = {4: "a stride of 2 and a max pool", 2: "a stride of 2", 1: "nothing"}
_EVEN_ODD = "odd channels are transformed, even ones pass, and no shuffle follows"


def generation(spec: NetworkSpec) -> str:
    """Name the kind of network and where it is described."""
    return _GENERATIONS[type(spec)]


def describe_stem(spec: NetworkSpec) -> str:
    """Tell what comes before the first stage."""
    shrunk = f"image shrunk by {spec.stem_stride}, by {_STEM_STRIDES[spec.stem_stride]}"
    widths = ", ".join(map(str, _stem(spec)))
    convolution = "3x3 convolutions" if len(_stem(spec)) > 1 else "a 3x3 convolution"
    return f"{convolution} to {widths} channels; " + (
        "image not shrunk" if spec.stem_stride == 1 else shrunk
    )


def describe_stage(stage: Stage | SearchedStage) -> str:
    """Tell what a stage is made of.

    >>> describe_stage(SearchedStage(channels=36, kinds=("3x3", "xception"), middles=(18, 20)))
    '2 units of 36 channels: 3x3, xception; middles of 18, 20; relu'
    """
    text = f"{stage.repeats} units of {stage.channels} channels"
    if isinstance(stage, Stage):
        return text if stage.stride == 2 else f"{text}, image not shrunk"
    middles = f"; middles of {', '.join(map(str, stage.middles))}" if stage.middles else ""
    squeeze = ", squeeze and excitation" if stage.squeeze else ""
    return f"{text}: {', '.join(stage.kinds)}{middles}; {stage.activation}{squeeze}"


def describe_units(spec: NetworkSpec) -> str:
    """Tell how the units of a network route and transform channels."""
    match spec:
        case V1Spec():
            return "; ".join(_v1_units(spec))
        case V2Spec():
            return "; ".join(_v2_units(spec))
        case V2PlusSpec():
            return f"{_EVEN_ODD}; each stage names its kinds and its activation"
        case _:
            return (
                f"{_EVEN_ODD}; what is transformed is added to what it was made from; "
                f"3x3 convolutions in {spec.groups} groups; squeeze and excitation; relu"
            )


def _v1_units(spec: V1Spec) -> Iterator[str]:
    first = "" if spec.first_grouped or spec.groups == 1 else ", the very first one not grouped"
    groups = "not grouped" if spec.groups == 1 else f"in {spec.groups} groups"
    yield f"1x1 convolutions {groups}{first}"
    yield "the paper's shuffle" if spec.shuffle == "standard" else "the paper's shuffle undone"
    quarter = spec.bottleneck == "quarter"
    yield "middle of a quarter of the channels" if quarter else "middle as wide as what is made"
    yield f"pooled channels come {'before' if spec.pooled_first else 'after'} convolved ones"
    counted = "count" if spec.pool_counts_padding else "do not count"
    yield f"zeros around the image {counted} in the average"


def _v2_units(spec: V2Spec) -> Iterator[str]:
    if spec.split == "halves":
        yield "the second half of the channels is transformed, and a shuffle follows"
    else:
        yield _EVEN_ODD
    half = spec.projection == "half"
    yield "the first branch of an opening unit makes " + (
        "half of its channels" if half else "as many channels as it reads"
    )
    yield spec.activation


def describe_head(spec: NetworkSpec) -> str:
    """Tell what follows the last stage."""
    return "; ".join(_head(spec))


def _head(spec: NetworkSpec) -> Iterator[str]:
    if isinstance(spec, V2Spec | V2PlusSpec | V2LargeSpec):
        kernel = "3x3" if isinstance(spec, V2LargeSpec) else "1x1"
        yield f"{kernel} convolution to {spec.head_channels} channels"
    yield "average pool"
    if isinstance(spec, V2PlusSpec) and spec.head_squeeze:
        yield "squeeze and excitation"
    if isinstance(spec, V2PlusSpec) and spec.hidden_channels:
        yield f"linear layer to {spec.hidden_channels}, {spec.activation}"
    if dropout := getattr(spec, "dropout", 0.0):
        yield f"dropout of {dropout}"
    yield f"classifier {'with' if spec.classifier_bias else 'without'} bias"


def format_channels(spec: NetworkSpec) -> str:
    """Write the channels of stem, stages and head in short.

    >>> from shufflenet.zoo import find_network
    >>> format_channels(find_network("shufflenet_v2_x1_0"))
    '24; 4x116, 8x232, 4x464; 1024'
    """
    stages = ", ".join(f"{stage.repeats}x{stage.channels}" for stage in spec.stages)
    head = getattr(spec, "head_channels", None)
    return "; ".join([", ".join(map(str, _stem(spec))), stages, *([str(head)] if head else [])])


def differences(spec: NetworkSpec) -> str:
    """Say in short what sets a network apart from the first of its kind, besides channels.

    >>> from shufflenet.zoo import find_network
    >>> differences(find_network("shufflenet_v2_x0_5_megvii"))
    'even-odd split, opening branch as wide as its input, classifier without bias'
    """
    return ", ".join(_differences(spec))


def _differences(spec: NetworkSpec) -> Iterator[str]:
    match spec:
        case V1Spec():
            yield from _v1_differences(spec)
        case V2Spec():
            yield from _v2_differences(spec)
        case V2PlusSpec():
            yield from _plus_differences(spec)
        case V2LargeSpec() | V2ExLargeSpec():
            yield f"3x3 in {spec.groups} groups"
            if isinstance(spec, V2ExLargeSpec):
                yield "a second, depthwise 3x3 a unit, a 1x1 after every stage"
    if not spec.classifier_bias and not isinstance(spec, V2PlusSpec):
        yield "classifier without bias"


def _v1_differences(spec: V1Spec) -> Iterator[str]:
    yield "not grouped" if spec.groups == 1 else f"{spec.groups} groups"
    if spec.shuffle == "inverse":
        yield "shuffle the other way round"
    if spec.first_grouped:
        yield "first 1x1 grouped too"
    if spec.bottleneck == "none":
        yield "no bottleneck"
    if not spec.pooled_first:
        yield "pooled channels last"
    if not spec.pool_counts_padding:
        yield "pool without padding"


def _v2_differences(spec: V2Spec) -> Iterator[str]:
    if spec.activation != "relu":
        yield spec.activation
    if spec.split == "even-odd":
        yield "even-odd split"
    if spec.projection == "input":
        yield "opening branch as wide as its input"
    if any(stage.stride == 1 for stage in spec.stages):
        yield "first stage keeps the size"


def _plus_differences(spec: V2PlusSpec) -> Iterator[str]:
    yield " ".join("".join(kind[0] for kind in stage.kinds) for stage in spec.stages)
    if squeezed := [str(n) for n, stage in enumerate(spec.stages, 2) if stage.squeeze]:
        yield f"SE in stages {' and '.join(squeezed)}"
    if spec.activation != "relu":
        yield spec.activation
    if any(stage.middles for stage in spec.stages):
        yield "searched widths inside units"
    if spec.classifier_bias:
        yield "classifier with bias"


def _stem(spec: NetworkSpec) -> tuple[int, ...]:
    channels = spec.stem_channels
    return channels if isinstance(channels, tuple) else (channels,)
