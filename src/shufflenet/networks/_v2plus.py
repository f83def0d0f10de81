"""ShuffleNet V2+, One-Shot and DetNAS: V2 whose units are of several kinds, found by search."""

from itertools import pairwise

from torch import Tensor, nn

from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._blocks import SqueezeExcite, activation_layer, conv_bn, stem_layers
from shufflenet.networks._v2 import KeepUnit, OpeningUnit, bottleneck, projection
from shufflenet.spec import Activation, SearchedStage, V2PlusSpec

__all__ = ["ShuffleNetV2Plus"]


def _xception(
    widths: tuple[int, int, int], *, stride: int, activation: Activation
) -> nn.Sequential:
    """Build three depthwise 3x3 convolutions, each followed by a 1x1."""
    in_channels, middle, out_channels = widths
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(
        pairwise((in_channels, middle, middle, out_channels))
    ):
        layers += conv_bn(inputs, inputs, kernel=3, stride=1 if number else stride, groups=inputs)
        layers += [*conv_bn(inputs, outputs, kernel=1), activation_layer(activation)]
    return nn.Sequential(*layers)


def _branch2(in_channels: int, out_channels: int, stage: SearchedStage, unit: int) -> nn.Sequential:
    kind, act, stride = stage.kinds[unit], stage.activation, 1 if unit else stage.stride
    widths = (in_channels, stage.middle(unit), out_channels)
    if kind == "xception":
        branch = _xception(widths, stride=stride, activation=act)
    else:
        branch = bottleneck(widths, kernel=int(kind[0]), stride=stride, activation=act)
    if stage.squeeze:
        branch.append(SqueezeExcite(out_channels, out_channels // 4, "hard-sigmoid"))
    return branch


def _stage(in_channels: int, stage: SearchedStage) -> nn.Sequential:
    kind, half = stage.kinds[0], stage.channels // 2
    kernel, act = 3 if kind == "xception" else int(kind[0]), stage.activation
    opening = OpeningUnit(
        projection(in_channels, in_channels, kernel=kernel, stride=stage.stride, activation=act),
        _branch2(in_channels, stage.channels - in_channels, stage, 0),
        "even-odd",
    )
    units = (
        KeepUnit(_branch2(half, half, stage, unit), "even-odd") for unit in range(1, stage.repeats)
    )
    return nn.Sequential(opening, *units)


class Neck(nn.Module):
    """The layers of V2+ between the pool and the classifier: squeeze and excite, a linear layer."""

    def __init__(self, spec: V2PlusSpec) -> None:
        super().__init__()
        c, hidden = spec.head_channels, spec.hidden_channels
        self.excite = SqueezeExcite(c, c // 4, "hard-sigmoid") if spec.head_squeeze else None
        self.hidden = nn.Linear(c, hidden, bias=False) if hidden else None
        self.activation = activation_layer(spec.activation)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map ``(n, head_channels)`` to ``(n, hidden_channels)``."""
        if self.excite is not None:
            vectors = self.excite(vectors[:, :, None, None])[:, :, 0, 0]
        return vectors if self.hidden is None else self.activation(self.hidden(vectors))


class ShuffleNetV2Plus(ShuffleNet):
    """The network that a ``V2PlusSpec`` describes.

    Source: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2+/network.py and blocks.py,
    OneShot/network.py, DetNAS/network.py and blocks.py
    """

    def __init__(self, spec: V2PlusSpec) -> None:
        act, features = spec.activation, spec.stages[-1].channels
        inputs = zip(spec.stage_inputs, spec.stages, strict=True)
        super().__init__(
            spec,
            stem=stem_layers(spec, act),
            stages=[_stage(c, stage) for c, stage in inputs],
            head=nn.Sequential(
                *conv_bn(features, spec.head_channels, kernel=1), activation_layer(act)
            ),
            neck=Neck(spec) if spec.head_squeeze or spec.hidden_channels else None,
        )
