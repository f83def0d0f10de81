"""The authors' own checkpoints: V1, V2, V2+, One-Shot, DetNAS, Large and ExLarge."""

from dataclasses import replace

from shufflenet.spec import Preprocess, Published
from shufflenet.zoo._record import PublishedCost, Weights

__all__ = ["MEGVII"]

# megvii-model/ShuffleNet-Series at aa91feb, train.py (ExLarge: eval.py), and its issues 15 and 34:
# images are read by Pillow, which leaves EXIF tags alone, and resized by OpenCV.
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
    f"It has to be fetched by hand, from the OneDrive folder or from {_MIRROR}; neither was tried, "
    "and no hash is published."
)
_THEIR_NAME = "The name of the file is that in the scripts of Vastai/VastModelZOO (at 43aff36)."
_DEFAULT_NAME = "What the file is called is not known: the name is the default of Megvii's script."

_CONVOLUTIONS = "Multiply-adds of convolutions and linear layers; parameters that train."

_LAST_DETNAS = (
    "The README states 3.8 G multiply-adds and 29.5 M parameters, the code makes 4.09 G and "
    "31.4 M: the file may be of another network than the code."
)
_LARGE = (
    "Evaluation subtracts a mean image from values of 0 to 255, training divided by a standard "
    "deviation: which of the two the file wants is taken from evaluation, and was not tried."
)
_EXLARGE = (
    "It was trained with data from outside ImageNet. The published eval.py cannot build the "
    "network, so that its preprocessing, which is told here, may not be what was measured."
)


def _weights(
    folder: str,
    network: str,
    filename: str,
    errors: tuple[float, float],
    flops_millions: float,
    params_millions: float,
    *,
    preprocess: Preprocess = _PREPROCESS,
    counts: str = _CONVOLUTIONS,
    defects: str = "",
) -> Weights:
    source = f"megvii-model/ShuffleNet-Series at aa91feb, {folder}/README.md"
    top1, top5 = (round(100 - error, 2) for error in errors)  # they state errors
    default = filename in ("snet_detnas.pkl", "snetv2_residual_se.pkl")
    told = (defects, _BY_HAND, _DEFAULT_NAME if default else _THEIR_NAME)
    return Weights(
        name=f"{network}.megvii_in1k",
        network=network,
        source="megvii",
        filename=filename,
        page=_PAGE,
        mirror=_MIRROR,
        licence="MIT",
        preprocess=preprocess,
        published=Published(top1_percent=top1, top5_percent=top5, source=source),
        cost=PublishedCost(
            params_millions=params_millions,
            flops_millions=flops_millions,
            source=source,
            counts=counts,
        ),
        defects=" ".join(filter(None, told)),
    )


def _v1(
    groups: int, width: str, filename: str, errors: tuple[float, float], *cost: float
) -> Weights:
    network = f"shufflenet_v1_g{groups}_{width}_megvii"
    flops_millions, params_millions = cost
    return _weights("ShuffleNetV1", network, filename, errors, flops_millions, params_millions)


def _v2(width: str, filename: str, errors: tuple[float, float], *cost: float) -> Weights:
    network = f"shufflenet_v2_{width}_megvii"
    flops_millions, params_millions = cost
    return _weights("ShuffleNetV2", network, filename, errors, flops_millions, params_millions)


def _plus(size: str, errors: tuple[float, float], *cost: float) -> Weights:
    flops_millions, params_millions = cost
    return _weights(
        "ShuffleNetV2+",
        f"shufflenet_v2_plus_{size}",
        "snet_detnas.pkl",
        errors,
        flops_millions,
        params_millions,
        counts="Multiply-adds of convolutions and linear layers; parameters, cut off, not rounded.",
    )


def _detnas(
    name: str, errors: tuple[float, float], flops: float, params: float, counted: str
) -> Weights:
    return _weights(
        "DetNAS",
        f"shufflenet_v2_detnas_{name}",
        "snet_detnas.pkl",
        errors,
        flops,
        params,
        counts=f"Not told; its code makes {counted} multiply-adds; parameters that train.",
        defects=_LAST_DETNAS if name.startswith("3_8g") else "",
    )


# Tables of the READMEs: errors in percent, FLOPs and parameters in millions. At group 3 and width
# 1.0 the README says 138 M, where its code makes 137.5 M.
# fmt: off
MEGVII = (
    _v1(3, "x0_5", "0.5x.pth.tar", (42.7, 20.0), 38.0, 0.7),
    _v1(3, "x1_0", "1.0x.pth.tar", (32.2, 12.3), 138.0, 1.9),
    _v1(3, "x1_5", "1.5x.pth.tar", (28.4, 9.8), 292.0, 3.4),
    _v1(3, "x2_0", "2.0x.pth.tar", (25.9, 8.6), 524.0, 5.4),
    _v1(8, "x0_5", "snetv1_group8_0.5x.pth.tar", (41.2, 19.0), 40.0, 1.0),
    _v1(8, "x1_0", "snetv1_group8_1.0x.pth.tar", (32.0, 13.6), 138.0, 2.4),
    _v1(8, "x1_5", "snetv1_group8_1.5x.pth.tar", (29.0, 10.4), 290.0, 4.3),
    _v1(8, "x2_0", "snetv1_group8_2.0x.pth.tar", (27.1, 9.2), 522.0, 6.5),
    _v2("x0_5", "ShuffleNetV2.0.5x.pth.tar", (38.9, 17.4), 41.0, 1.4),
    _v2("x1_0", "ShuffleNetV2.1.0x.pth.tar", (30.6, 11.1), 146.0, 2.3),
    _v2("x1_5", "ShuffleNetV2.1.5x.pth.tar", (27.4, 9.4), 299.0, 3.5),
    _v2("x2_0", "ShuffleNetV2.2.0x.pth.tar", (25.0, 7.6), 591.0, 7.4),
    _plus("small", (25.9, 8.3), 156.0, 5.1),
    _plus("medium", (24.3, 7.4), 222.0, 5.6),
    _plus("large", (22.9, 6.7), 360.0, 6.7),
    _weights("OneShot", "shufflenet_v2_oneshot", "snet_detnas.pkl", (25.1, 8.0), 328.0, 3.4),
    _detnas("300m_voc_retinanet", (25.4, 8.1), 300.0, 3.5, "361 M"),
    _detnas("300m_voc_fpn", (25.9, 8.3), 300.0, 3.7, "350 M"),
    _detnas("300m_coco_retinanet", (26.0, 8.4), 300.0, 3.7, "324 M"),
    _detnas("300m_coco_fpn", (26.2, 8.4), 300.0, 3.5, "321 M"),
    _detnas("1_3g_coco_fpn", (22.8, 6.5), 1_300.0, 10.4, "1.32 G"),
    _detnas("3_8g_coco_fpn", (21.6, 6.3), 3_800.0, 29.5, "4.09 G"),
    _weights("ShuffleNetV2.Large", "shufflenet_v2_large", "snetv2_residual_se.pkl",
             (18.56, 4.48), 12_700.0, 140.7, preprocess=_LESS_MEAN_IMAGE, defects=_LARGE,
             counts="Multiply-adds, cut off, not rounded; parameters that train, with the three "
                    "auxiliary heads, which only training uses."),
    _weights("ShuffleNetV2.ExLarge", "shufflenet_v2_exlarge", "snet_detnas.pkl",
             (15.52, 2.9), 46_200.0, 254.7, defects=_EXLARGE,
             counts="Multiply-adds; the weights of convolutions and linear layers, without the "
                    "three auxiliary heads, biases and batch norm."),
)
# fmt: on
