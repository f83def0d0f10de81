"""Networks in words: the meaning of every field of a spec, and the differences between networks."""

from collections.abc import Iterator
from typing import assert_never

from shufflenet.spec import (
    STRIDES,
    DetectorSpec,
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
    "describe_detector",
    "describe_generation",
    "describe_head",
    "describe_stage",
    "describe_stem",
    "describe_units",
    "format_channels",
    "list_differences",
]

_GENERATIONS: dict[type[NetworkSpec], str] = {
    V1Spec: "ShuffleNet V1 (Zhang et al. 2017, arXiv:1707.01083)",
    V2Spec: "ShuffleNet V2 (Ma et al. 2018, arXiv:1807.11164)",
    V2PlusSpec: "ShuffleNet V2 with searched units (megvii-model/ShuffleNet-Series)",
    V2LargeSpec: "ShuffleNet V2 Large (megvii-model/ShuffleNet-Series)",
    V2ExLargeSpec: "ShuffleNet V2 ExLarge (megvii-model/ShuffleNet-Series)",
}
_STEM_STRIDES = {
    4: "stride 4: a convolution of stride 2 and a max pool of stride 2",
    2: "stride 2: a convolution of stride 2",
    1: "stride 1",
}
_EVEN_ODD = "odd channels are transformed, even ones pass unchanged, no shuffle"


def describe_generation(spec: NetworkSpec) -> str:
    """Return the name of a network's generation, and its source."""
    return _GENERATIONS[type(spec)]


def describe_stem(spec: NetworkSpec) -> str:
    """Return a description of the layers before the first stage."""
    widths = ", ".join(map(str, spec.stem_widths))
    convolutions = "3x3 convolutions" if len(spec.stem_widths) > 1 else "3x3 convolution"
    return f"{convolutions} to {widths} channels; {_STEM_STRIDES[spec.stem_stride]}"


def describe_stage(stage: Stage | SearchedStage) -> str:
    """Return the units of a stage in words.

    >>> describe_stage(SearchedStage(channels=36, kinds=("3x3", "xception"), middles=(18, 20)))
    '2 units of 36 channels: 3x3, xception; middle channels 18, 20; relu'
    """
    text = f"{stage.repeats} units of {stage.channels} channels"
    if stage.stride == 1:
        text += ", stride 1"
    match stage:
        case Stage():
            return text
        case SearchedStage():
            middles = ", ".join(map(str, stage.middles))
            middles = f"; middle channels {middles}" if middles else ""
            squeeze = ", squeeze and excitation" if stage.squeeze else ""
            return f"{text}: {', '.join(stage.kinds)}{middles}; {stage.activation}{squeeze}"
        case _:
            assert_never(stage)


def describe_units(spec: NetworkSpec) -> str:
    """Return in words how the units of a network split and transform channels."""
    match spec:
        case V1Spec():
            return "; ".join(_v1_units(spec))
        case V2Spec():
            return "; ".join(_v2_units(spec))
        case V2PlusSpec():
            return f"{_EVEN_ODD}; kinds and activation as stated for each stage"
        case V2LargeSpec() | V2ExLargeSpec():
            return (
                f"{_EVEN_ODD}; odd channels are added to their transformation; "
                f"3x3 convolutions in {spec.groups} groups; squeeze and excitation; relu"
            )
        case _:
            assert_never(spec)


def _v1_units(spec: V1Spec) -> Iterator[str]:
    first = "" if spec.first_grouped or spec.groups == 1 else ", the first one not grouped"
    groups = "not grouped" if spec.groups == 1 else f"in {spec.groups} groups"
    yield f"1x1 convolutions {groups}{first}"
    standard, quarter = spec.shuffle == "standard", spec.bottleneck == "quarter"
    yield "the paper's shuffle" if standard else "the inverse of the paper's shuffle"
    yield "middle channels: " + (
        "a quarter of the output channels" if quarter else "as many as the last convolution has"
    )
    yield f"pooled channels {'before' if spec.pooled_first else 'after'} convolved ones"
    counted = "counted" if spec.pool_counts_padding else "not counted"
    yield f"padding {counted} in the average pool"


def _v2_units(spec: V2Spec) -> Iterator[str]:
    if spec.split == "halves":
        yield "the second half of the channels is transformed, then all are shuffled"
    else:
        yield _EVEN_ODD
    half = spec.projection == "half"
    yield "first branch of an opening unit: " + (
        "half of the output channels" if half else "as many channels as its input"
    )
    yield spec.activation


def describe_head(spec: NetworkSpec) -> str:
    """Return a description of the layers after the last stage."""
    return "; ".join(_head(spec))


def _head(spec: NetworkSpec) -> Iterator[str]:
    if spec.head_channels:
        kernel = spec.head_kernel
        yield f"{kernel}x{kernel} convolution to {spec.head_channels} channels"
    yield "average pool"
    if spec.head_squeeze:
        yield "squeeze and excitation"
    if spec.hidden_channels:
        yield f"linear layer to {spec.hidden_channels}"
    if spec.dropout:
        yield f"dropout of {spec.dropout}"
    yield f"classifier {'with' if spec.classifier_bias else 'without'} bias"


def format_channels(spec: NetworkSpec) -> str:
    """Return the channels of stem, stages and head in short.

    >>> from shufflenet.zoo import find_network
    >>> format_channels(find_network("shufflenet_v2_x1_0"))
    '24; 4x116, 8x232, 4x464; 1024'
    """
    stem = ", ".join(map(str, spec.stem_widths))
    stages = ", ".join(f"{stage.repeats}x{stage.channels}" for stage in spec.stages)
    head = [str(spec.head_channels)] if spec.head_channels else []
    return "; ".join([stem, stages, *head])


def describe_detector(detector: DetectorSpec) -> dict[str, str]:
    """Return what is put on the stages of a network, by part.

    >>> describe_detector(DetectorSpec())["heads"]
    '2 separable 3x3 convolutions each; boxes from 8 bins a side, no anchors'
    """
    *others, last = map(str, STRIDES)
    layers = f"{detector.head_layers} separable 3x3 convolutions each"
    return {
        "neck": f"path aggregation of maps of stride {', '.join(others)} and {last}, "
        f"{detector.neck_channels} channels",
        "heads": f"{layers}; boxes from {detector.bins} bins a side, no anchors",
    }


def list_differences(spec: NetworkSpec) -> str:
    """Return the differences between a network and the first of its generation, but channels.

    >>> from shufflenet.zoo import find_network
    >>> list_differences(find_network("shufflenet_v2_x0_5_megvii"))
    'even-odd split, first branch as wide as its input, classifier without bias'
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
        case V2LargeSpec():
            yield f"3x3 in {spec.groups} groups"
        case V2ExLargeSpec():
            yield f"3x3 in {spec.groups} groups"
            yield "a second, depthwise 3x3 in every unit, a 1x1 after every stage"
        case _:
            assert_never(spec)


def _v1_differences(spec: V1Spec) -> Iterator[str]:
    yield "not grouped" if spec.groups == 1 else f"{spec.groups} groups"
    if spec.shuffle == "inverse":
        yield "inverse shuffle"
    if spec.first_grouped:
        yield "first 1x1 grouped too"
    if spec.bottleneck == "none":
        yield "no bottleneck"
    if not spec.pooled_first:
        yield "pooled channels last"
    if not spec.pool_counts_padding:
        yield "padding not counted in the average pool"
    if not spec.classifier_bias:
        yield "classifier without bias"


def _v2_differences(spec: V2Spec) -> Iterator[str]:
    if spec.activation != "relu":
        yield spec.activation
    if spec.split == "even-odd":
        yield "even-odd split"
    if spec.projection == "input":
        yield "first branch as wide as its input"
    if any(stage.stride == 1 for stage in spec.stages):
        yield "first stage of stride 1"
    if not spec.classifier_bias:
        yield "classifier without bias"


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
