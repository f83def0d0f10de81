"""The authors' own checkpoints: V1, V2, V2+, One-Shot, DetNAS, Large and ExLarge."""

from dataclasses import dataclass, field, replace

from shufflenet.spec import Preprocess, Published
from shufflenet.zoo._record import PublishedCost, Weights

__all__ = ["MEGVII"]

# megvii-model/ShuffleNet-Series at aa91feb, train.py (ExLarge: eval.py), and its issues 15 and 34:
# Pillow reads the images and ignores EXIF tags; OpenCV resizes them.
_PREPROCESS = Preprocess(
    resize_px=256,
    crop_px=224,
    resizer="opencv",
    longer_side="half-up",
    channels="bgr",
    value_range=255,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    exif=False,
)
_LESS_MEAN_IMAGE = replace(_PREPROCESS, mean_image="megvii-imagenet-224")

_PAGE = "https://1drv.ms/f/s!AgaP37NGYuEXhRfQxHRseR7eSxXo"
_MIRROR = "https://pan.baidu.com/s/1EUQVoFPb74yZm0JWHKjFOw (code mc24)"
_BY_HAND = (
    f"It must be downloaded by hand, from the OneDrive folder or from {_MIRROR}; neither was "
    "tried, and no hash is published."
)
_THEIR_NAME = "The name of the file is that in the scripts of Vastai/VastModelZOO (at 43aff36)."
_DEFAULT_NAME = "The name of the file is unknown: the one here is the default of Megvii's script."
_DEFAULTS = ("snet_detnas.pkl", "snetv2_residual_se.pkl")

_CONVOLUTIONS = "Multiply-adds of convolutions and linear layers; parameters that train."
_CUT_OFF = "Multiply-adds of convolutions and linear layers; parameters, cut off, not rounded."
_LARGE_COUNTS = (
    "Multiply-adds, cut off, not rounded; parameters that train, with the three auxiliary heads, "
    "which only training uses."
)
_EXLARGE_COUNTS = (
    "Multiply-adds; the weights of convolutions and linear layers, without the three auxiliary "
    "heads, biases and batch norm."
)

_LAST_DETNAS = (
    "The README states 3.8 G multiply-adds and 29.5 M parameters, but its code has 4.09 G and "
    "31.4 M: the file may hold another network than the code."
)
_LARGE = (
    "Evaluation subtracts a mean image from values of 0 to 255, but training divided by a standard "
    "deviation. The preprocessing here is that of evaluation, and was not tried."
)
_EXLARGE = (
    "It was trained with data from outside ImageNet. The published eval.py cannot build the "
    "network, so the accuracy may have been measured with another preprocessing than eval.py's, "
    "which is used here."
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a README: errors in percent, FLOPs and parameters in millions."""

    top1_error: float
    top5_error: float
    flops_millions: float
    params_millions: float
    counts: str = field(default=_CONVOLUTIONS, kw_only=True)


def _weights(folder: str, network: str, filename: str, row: _Row, defects: str = "") -> Weights:
    source = f"megvii-model/ShuffleNet-Series at aa91feb, {folder}/README.md"
    name_source = _DEFAULT_NAME if filename in _DEFAULTS else _THEIR_NAME
    return Weights(
        name=f"{network}.megvii_in1k",
        network=network,
        source="megvii",
        filename=filename,
        page=_PAGE,
        mirror=_MIRROR,
        licence="MIT",
        preprocess=_PREPROCESS,
        published=Published(
            top1_percent=round(100 - row.top1_error, 2),
            top5_percent=round(100 - row.top5_error, 2),
            source=source,
        ),
        cost=PublishedCost(
            params_millions=row.params_millions,
            flops_millions=row.flops_millions,
            source=source,
            counts=row.counts,
        ),
        defects=" ".join(filter(None, (defects, _BY_HAND, name_source))),
    )


def _v1(groups: int, width: str, filename: str, *row: float) -> Weights:
    network = f"shufflenet_v1_g{groups}_{width}_megvii"
    return _weights("ShuffleNetV1", network, filename, _Row(*row))


def _v2(width: str, filename: str, *row: float) -> Weights:
    return _weights("ShuffleNetV2", f"shufflenet_v2_{width}_megvii", filename, _Row(*row))


def _plus(size: str, *row: float) -> Weights:
    network = f"shufflenet_v2_plus_{size}"
    return _weights("ShuffleNetV2+", network, "snet_detnas.pkl", _Row(*row, counts=_CUT_OFF))


def _detnas(name: str, ours: str, *row: float) -> Weights:
    counts = f"Not stated; its code has {ours} multiply-adds; parameters that train."
    defects = _LAST_DETNAS if name.startswith("3_8g") else ""
    network = f"shufflenet_v2_detnas_{name}"
    return _weights("DetNAS", network, "snet_detnas.pkl", _Row(*row, counts=counts), defects)


# Tables of the READMEs: top-1 and top-5 error in percent, FLOPs and parameters in millions. At
# group 3 and width 1.0 the README says 138 M, but its code has 137.5 M.
# fmt: off
MEGVII = (
    _v1(3, "x0_5", "0.5x.pth.tar", 42.7, 20.0, 38.0, 0.7),
    _v1(3, "x1_0", "1.0x.pth.tar", 32.2, 12.3, 138.0, 1.9),
    _v1(3, "x1_5", "1.5x.pth.tar", 28.4, 9.8, 292.0, 3.4),
    _v1(3, "x2_0", "2.0x.pth.tar", 25.9, 8.6, 524.0, 5.4),
    _v1(8, "x0_5", "snetv1_group8_0.5x.pth.tar", 41.2, 19.0, 40.0, 1.0),
    _v1(8, "x1_0", "snetv1_group8_1.0x.pth.tar", 32.0, 13.6, 138.0, 2.4),
    _v1(8, "x1_5", "snetv1_group8_1.5x.pth.tar", 29.0, 10.4, 290.0, 4.3),
    _v1(8, "x2_0", "snetv1_group8_2.0x.pth.tar", 27.1, 9.2, 522.0, 6.5),
    _v2("x0_5", "ShuffleNetV2.0.5x.pth.tar", 38.9, 17.4, 41.0, 1.4),
    _v2("x1_0", "ShuffleNetV2.1.0x.pth.tar", 30.6, 11.1, 146.0, 2.3),
    _v2("x1_5", "ShuffleNetV2.1.5x.pth.tar", 27.4, 9.4, 299.0, 3.5),
    _v2("x2_0", "ShuffleNetV2.2.0x.pth.tar", 25.0, 7.6, 591.0, 7.4),
    _plus("small", 25.9, 8.3, 156.0, 5.1),
    _plus("medium", 24.3, 7.4, 222.0, 5.6),
    _plus("large", 22.9, 6.7, 360.0, 6.7),
    _weights("OneShot", "shufflenet_v2_oneshot", "snet_detnas.pkl", _Row(25.1, 8.0, 328.0, 3.4)),
    _detnas("300m_voc_retinanet", "361 M", 25.4, 8.1, 300.0, 3.5),
    _detnas("300m_voc_fpn", "350 M", 25.9, 8.3, 300.0, 3.7),
    _detnas("300m_coco_retinanet", "324 M", 26.0, 8.4, 300.0, 3.7),
    _detnas("300m_coco_fpn", "321 M", 26.2, 8.4, 300.0, 3.5),
    _detnas("1_3g_coco_fpn", "1.32 G", 22.8, 6.5, 1_300.0, 10.4),
    _detnas("3_8g_coco_fpn", "4.09 G", 21.6, 6.3, 3_800.0, 29.5),
    replace(
        _weights("ShuffleNetV2.Large", "shufflenet_v2_large", "snetv2_residual_se.pkl",
                 _Row(18.56, 4.48, 12_700.0, 140.7, counts=_LARGE_COUNTS), _LARGE),
        preprocess=_LESS_MEAN_IMAGE,
    ),
    _weights("ShuffleNetV2.ExLarge", "shufflenet_v2_exlarge", "snet_detnas.pkl",
             _Row(15.52, 2.9, 46_200.0, 254.7, counts=_EXLARGE_COUNTS), _EXLARGE),
)
# fmt: on
