"""Every network of the family, written out with its source."""

from dataclasses import replace
from typing import Final

from shufflenet.spec import (
    NetworkSpec,
    SearchedStage,
    Stage,
    UnitKind,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)

__all__ = ["NETWORKS"]

_REPEATS = (4, 8, 4)  # Zhang et al. 2017, Table 1, and Ma et al. 2018, Table 5


def _stages(channels: tuple[int, ...], repeats: tuple[int, ...] = _REPEATS) -> tuple[Stage, ...]:
    pairs = zip(channels, repeats, strict=True)
    return tuple(Stage(channels=c, repeats=r) for c, r in pairs)


def _v1(width: str, groups: int, *channels: int, stem: int = 24) -> V1Spec:
    name = f"shufflenet_v1_g{groups}_{width}"
    return V1Spec(name=name, groups=groups, stages=_stages(channels), stem_channels=stem)


def _v2(width: str, *channels: int, head: int) -> V2Spec:
    name = f"shufflenet_v2_{width}"
    return V2Spec(name=name, stages=_stages(channels), head_channels=head)


# Groups 1 to 8 at width 1.0: Zhang et al. 2017, Table 1; the stems of the other widths of groups 3
# and 8: megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV1/network.py. At 0.25 the stem is
# the largest multiple of two up to a quarter of 24 (or 8, for 8 groups) that the groups divide.
_V1 = (
    _v1("x0_25", 1, 36, 72, 144, stem=6),
    _v1("x0_25", 3, 60, 120, 240, stem=6),
    _v1("x0_25", 8, 96, 192, 384, stem=8),
    _v1("x0_5", 3, 120, 240, 480, stem=12),
    _v1("x0_5", 8, 192, 384, 768, stem=16),
    _v1("x1_0", 1, 144, 288, 576),
    _v1("x1_0", 2, 200, 400, 800),
    _v1("x1_0", 3, 240, 480, 960),
    _v1("x1_0", 4, 272, 544, 1088),
    _v1("x1_0", 8, 384, 768, 1536),
    _v1("x1_5", 3, 360, 720, 1440),
    _v1("x1_5", 8, 576, 1152, 2304),
    _v1("x2_0", 3, 480, 960, 1920, stem=48),
    _v1("x2_0", 8, 768, 1536, 3072, stem=48),
)

# Megvii's own code applies the inverse shuffle and has no bias in the classifier.
_V1_MEGVII = tuple(
    replace(spec, name=f"{spec.name}_megvii", shuffle="inverse", classifier_bias=False)
    for spec in _V1
    if spec.groups in (3, 8) and "x0_25" not in spec.name
)

# The ONNX model zoo's, read from its graph: onnx 1.23, backend/test/data/light.
_V1_ONNX = V1Spec(
    name="shufflenet_v1_g4_x0_5_onnx",
    groups=4,
    stages=_stages((136, 272, 544)),
    first_grouped=True,
    bottleneck="none",
    pooled_first=False,
    pool_counts_padding=False,
)

# 0.5 to 2.0: Ma et al. 2018, Table 5, and torchvision 0.28, models/shufflenetv2.py. 0.25, 0.33 and
# swish: PaddleClas at d178931f, ppcls/arch/backbone/model_zoo/shufflenet_v2.py. Stage 2 of 224
# channels at 2.0: paddle 3.3.1, paddle/vision/models/shufflenetv2.py, and PaddleClas until 2022.
_V2 = (
    _v2("x0_25", 24, 48, 96, head=512),
    _v2("x0_33", 32, 64, 128, head=512),
    _v2("x0_5", 48, 96, 192, head=1024),
    _v2("x1_0", 116, 232, 464, head=1024),
    replace(_v2("x1_0_swish", 116, 232, 464, head=1024), activation="swish"),
    _v2("x1_5", 176, 352, 704, head=1024),
    _v2("x2_0", 244, 488, 976, head=2048),
    _v2("x2_0_224", 224, 488, 976, head=2048),
)

# Megvii's own code: ShuffleNet-Series at aa91feb, ShuffleNetV2/network.py and blocks.py.
_V2_MEGVII = tuple(
    replace(
        spec,
        name=f"{spec.name}_megvii",
        split="even-odd",
        projection="input",
        classifier_bias=False,
        dropout=0.2 if spec.name == "shufflenet_v2_x2_0" else 0.0,
    )
    for spec in _V2
    if spec.name.endswith(("x0_5", "x1_0", "x1_5", "x2_0"))
)

_KINDS: Final[tuple[UnitKind, ...]] = ("3x3", "5x5", "7x7", "xception")


def _searched(channels: tuple[int, ...], kinds: str) -> tuple[SearchedStage, ...]:
    """Return four stages from the kinds of their units, a digit each as in Megvii's code.

    The third stage has two fifths of the units, the others a fifth each.
    """
    numbers = iter(kinds)
    repeats = (len(kinds) // 5 * fifths for fifths in (1, 1, 2, 1))
    return tuple(
        SearchedStage(channels=c, kinds=tuple(_KINDS[int(next(numbers))] for _ in range(r)))
        for c, r in zip(channels, repeats, strict=True)
    )


_PLUS_KINDS = "00311100202110202132"  # V2+ and One-Shot: ShuffleNetV2+/train.py, OneShot/train.py


def _v2_plus(size: str, *channels: int) -> V2PlusSpec:
    first, *later = _searched(channels, _PLUS_KINDS)
    squeeze = (False, True, True)
    later = [
        replace(stage, activation="hard-swish", squeeze=s)
        for stage, s in zip(later, squeeze, strict=True)
    ]
    return V2PlusSpec(
        name=f"shufflenet_v2_plus_{size}",
        stages=(first, *later),
        head_channels=1280,
        activation="hard-swish",
        head_squeeze=True,
        hidden_channels=1280,
        dropout=0.2,
    )


# The middle of unit i is int(channels / 2 * s) wide with these s: OneShot/network.py.
_ONE_SHOT_SCALES = (
    (1.4, 1.2, 0.8, 1.2),
    (0.6, 1.4, 0.8, 1.0),
    (0.6, 1.2, 1.6, 1.2, 1.0, 1.4, 1.6, 1.0),
    (1.0, 1.2, 1.0, 0.8),
)
_ONE_SHOT = V2PlusSpec(
    name="shufflenet_v2_oneshot",
    stages=tuple(
        replace(stage, middles=tuple(int(stage.channels // 2 * s) for s in scales))
        for stage, scales in zip(
            _searched((64, 160, 320, 640), _PLUS_KINDS), _ONE_SHOT_SCALES, strict=True
        )
    ),
    head_channels=1024,
    dropout=0.1,
)


def _detnas(
    name: str,
    kinds: str,
    channels: tuple[int, ...] = (64, 160, 320, 640),
    stem: int = 16,
    head: int = 1024,
) -> V2PlusSpec:
    return V2PlusSpec(
        name=f"shufflenet_v2_detnas_{name}",
        stages=_searched(channels, kinds),
        stem_channels=stem,
        head_channels=head,
        classifier_bias=True,
        dropout=0.2,
    )


_DETNAS_LARGE = "0031210203123320211320222131033313333333"
_V2_PLUS = (
    _v2_plus("small", 36, 104, 208, 416),
    _v2_plus("medium", 48, 128, 256, 512),
    _v2_plus("large", 68, 168, 336, 672),
    _ONE_SHOT,
    _detnas("300m_voc_retinanet", "13002333233332202311"),
    _detnas("300m_voc_fpn", "21031303201133333331"),
    _detnas("300m_coco_retinanet", "23113213311133203333"),
    _detnas("300m_coco_fpn", "21202112331300313132"),
    _detnas("1_3g_coco_fpn", _DETNAS_LARGE, (96, 240, 480, 960), 48),
    _detnas("3_8g_coco_fpn", _DETNAS_LARGE, (172, 432, 864, 1728), 72, 1728),
)


def _large_stages(channels: tuple[int, ...], repeats: tuple[int, ...]) -> tuple[Stage, ...]:
    """Return stages of which the first has stride 1."""
    first, *later = _stages(channels, repeats)
    return (replace(first, stride=1), *later)


# Ma et al. 2018, appendix, the table of large networks; it costs 2.30 G multiply-adds, and the
# paper's Table 7 says 2.3 G. SE-ShuffleNet V2-164 of the same table, 12.7 G, is ``Large`` below.
_V2_50 = V2Spec(
    name="shufflenet_v2_50",
    stages=_large_stages((244, 488, 976, 1952), (3, 4, 6, 3)),
    head_channels=2048,
    stem_channels=64,
)

_LARGE = (
    V2LargeSpec(
        name="shufflenet_v2_large",
        stages=_large_stages((256, 512, 1024, 2048), (10, 10, 23, 10)),
    ),
    V2ExLargeSpec(
        name="shufflenet_v2_exlarge",
        stages=_large_stages((320, 640, 1280, 2560), (8, 16, 36, 10)),
    ),
)

_ALL: tuple[NetworkSpec, ...] = (
    *_V1,
    *_V1_MEGVII,
    _V1_ONNX,
    *_V2,
    *_V2_MEGVII,
    *_V2_PLUS,
    _V2_50,
    *_LARGE,
)
NETWORKS: dict[str, NetworkSpec] = {spec.name: spec for spec in _ALL}
