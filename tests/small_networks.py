"""A network of every layer that code is generated for, small, with random weights."""

import numpy as np

from shufflenet.graph import (
    ChannelSlice,
    Convolution,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
    QuantParams,
    Weights,
)


def small_network(*, int8: bool = False) -> Network:
    """Stem, pool, a depthwise and a 1x1 convolution of a slice, one of a concatenation, one added.

    In int8, weights are small enough for AVX2, and maps hold what a ReLU leaves.
    """
    rng = np.random.default_rng(0)

    def convolution(output: str, inputs: list[ChannelSlice], shape: tuple[int, ...]) -> Convolution:
        channels, read, side, _ = shape
        depthwise = read == 1
        weight: Weights = rng.normal(0, 1 / np.sqrt(read * side**2), shape).astype(np.float32)
        scale = None
        if int8:
            weight = rng.integers(-30, 31, shape).astype(np.int8)
            scale = np.full(channels, 1 / (30 * np.sqrt(weight[0].size)), np.float32)
        return Convolution(
            output=output,
            inputs=tuple(inputs),
            weight=weight,
            bias=rng.normal(0, 5 if int8 else 0.1, channels).astype(np.float32),
            stride=2 if side == 3 else 1,
            groups=channels if depthwise else 1,
            floor=0.0,
            scale=scale,
        )

    whole, last = ChannelSlice("pool", 0, 10), ChannelSlice("joined", 0, 21)
    layers: list[Layer] = [
        convolution("stem", [ChannelSlice("images", 0, 3)], (10, 3, 3, 3)),
        MaxPool(
            output="pool",
            inputs=(ChannelSlice("stem", 0, 10),),
            padding_value=0.0 if int8 else -np.inf,
        ),
        convolution("a", [ChannelSlice("pool", 4, 6)], (9, 6, 1, 1)),
        convolution("joined", [whole, ChannelSlice("a", 0, 9)], (21, 19, 1, 1)),
        convolution("filtered", [last], (21, 1, 3, 3)),
        convolution("features", [ChannelSlice("filtered", 0, 21)], (35, 21, 1, 1)),
        Mean(output="mean", inputs=(ChannelSlice("features", 0, 35),)),
    ]
    classifier = Linear(
        output="logits",
        inputs=(ChannelSlice("mean", 0, 35),),
        weight=rng.integers(-30, 31, (7, 35)).astype(np.int8)
        if int8
        else rng.normal(0, 0.2, (7, 35)).astype(np.float32),
        bias=rng.normal(0, 1, 7).astype(np.float32),
        scale=np.full(7, 1e-3, np.float32) if int8 else None,
    )
    return Network(layers, classifier, QuantParams(0.02, 114) if int8 else None)
