"""ShuffleNet V2, all of it. Attributes bear the key names of torchvision's checkpoints."""

from torch import nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import (
    KeepUnit,
    OpeningUnit,
    activation_layer,
    bottleneck,
    conv_bn,
    projection,
    stem_layers,
)
from shufflenet.spec import Stage, V2Spec

__all__ = ["ShuffleNetV2"]


def _opening(in_channels: int, stage: Stage, spec: V2Spec) -> OpeningUnit:
    projected = spec.projected(in_channels, stage.channels)
    made, half = stage.channels - projected, stage.channels // 2
    act, stride = spec.activation, stage.stride
    return OpeningUnit(
        projection(in_channels, projected, kernel=3, stride=stride, activation=act),
        bottleneck(in_channels, half, made, kernel=3, stride=stride, activation=act),
        spec.split,
    )


def _keep(stage: Stage, spec: V2Spec) -> KeepUnit:
    half, act = stage.channels // 2, spec.activation
    return KeepUnit(bottleneck(half, half, half, kernel=3, stride=1, activation=act), spec.split)


def _stage(in_channels: int, stage: Stage, spec: V2Spec) -> nn.Sequential:
    keep = (_keep(stage, spec) for _ in range(stage.repeats - 1))
    return nn.Sequential(_opening(in_channels, stage, spec), *keep)


class ShuffleNetV2(ShuffleNet):
    """The network that a ``V2Spec`` describes.

    Source: Ma et al. 2018, Table 5 and Figure 3, https://arxiv.org/abs/1807.11164
    """

    def __init__(self, spec: V2Spec) -> None:
        act = spec.activation
        stem, pool = stem_layers(spec.in_channels, spec.stem_channels, spec.stem_stride, act)
        inputs = [spec.stem_channels, *(stage.channels for stage in spec.stages)]
        super().__init__(
            spec,
            stem=stem,
            pool=pool,
            stages=[_stage(c, stage, spec) for c, stage in zip(inputs, spec.stages, strict=False)],
            head=nn.Sequential(
                *conv_bn(inputs[-1], spec.head_channels, kernel=1), activation_layer(act)
            ),
            neck=nn.Identity(),
            classifier=nn.Linear(spec.head_channels, spec.classes, bias=spec.classifier_bias),
            dropout=spec.dropout,
        )
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.eps = spec.norm_eps
