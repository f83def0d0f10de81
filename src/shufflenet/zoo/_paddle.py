"""PaddlePaddle's two sets of V2 checkpoints: those of PaddleClas and of paddle.vision."""

from shufflenet.spec import Preprocess, Published
from shufflenet.zoo._record import PublishedCost, Weights

__all__ = ["PADDLECLAS", "PADDLEVISION"]

# PaddleClas at d178931f, ppcls/configs/ImageNet/ShuffleNet/*.yaml (Eval) and
# ppcls/data/preprocess/ops/operators.py; OpenCV reads the images and rotates them by their EXIF
# tags.
_PREPROCESS = Preprocess(
    resize_px=256, crop_px=224, resizer="opencv", longer_side="round", crop_offset="floor"
)

# PaddleClas at 60a4269d9 (2022-05-14) changed 224 channels to 244 in its code. The published
# figures fit 224: counted as in `counts` below, 224 channels give 571.60 M FLOPs and 7.400 M
# parameters, 244 give 590.74 M and 7.428 M. docs/zh_CN/models/ImageNet1k/ShuffleNetV2.md, which
# counts multiplications and additions, says 1.12 G and 7.32 M; 224 channels give 1.125 G and
# 7.33 M, 244 give 1.162 G and 7.36 M.
_X2_0_CLAS = (
    "Stage 2 almost certainly has 224 channels, not the paper's 244: the code has had 244 only "
    "since 2022, and the published figures fit 224. The shapes in the file were not checked."
)
_X2_0_VISION = "Stage 2 has 224 channels, not the paper's 244, as in paddle.vision's code."
_NO_HASH = "No hash is published, so a download cannot be verified."
_ASSUMED = "The code of paddle.vision states no preprocessing; PaddleClas's is assumed."


def _network(variant: str) -> str:
    special = {"x2_0": "x2_0_224", "swish": "x1_0_swish"}
    return f"shufflenet_v2_{special.get(variant, variant)}"


def _clas(variant: str, top1: float, top5: float, flops: float, params: float) -> Weights:
    table = "docs/en/algorithm_introduction/ImageNet_models_en.md"
    source = f"PaddlePaddle/PaddleClas at d178931f, {table}"
    filename = f"ShuffleNetV2_{variant}_pretrained.pdparams"
    return Weights(
        name=f"{_network(variant)}.paddleclas_in1k",
        network=_network(variant),
        source="paddleclas",
        filename=filename,
        url=f"https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/{filename}",
        page=f"https://github.com/PaddlePaddle/PaddleClas/blob/d178931f/{table}",
        licence="Apache-2.0",
        preprocess=_PREPROCESS,
        published=Published(top1_percent=top1, top5_percent=top5, source=source),
        cost=PublishedCost(
            params_millions=params,
            flops_millions=flops,
            source=source,
            counts=(
                "Multiply-adds of convolutions and linear layers, two operations for every output "
                "of batch norm, and pooling (paddle.flops of PaddlePaddle 2.2); "
                "parameters with the running statistics of batch norm."
            ),
        ),
        defects=f"{_X2_0_CLAS} {_NO_HASH}" if variant == "x2_0" else _NO_HASH,
    )


def _vision(variant: str, md5: str) -> Weights:
    filename = f"shufflenet_v2_{variant}.pdparams"
    return Weights(
        name=f"{_network(variant)}.paddlevision_in1k",
        network=_network(variant),
        source="paddlevision",
        filename=filename,
        url=f"https://paddle-hapi.bj.bcebos.com/models/{filename}",
        page=(
            "https://github.com/PaddlePaddle/Paddle/blob/develop/"
            "python/paddle/vision/models/shufflenetv2.py"
        ),
        md5=md5,
        licence="Apache-2.0",
        preprocess=_PREPROCESS,
        defects=f"{_X2_0_VISION} {_ASSUMED}" if variant == "x2_0" else _ASSUMED,
    )


PADDLECLAS = (  # top-1 and top-5 in percent, "FLOPs(M)", "Params(M)"
    _clas("x0_25", 49.90, 73.79, 18.95, 0.61),
    _clas("x0_33", 53.73, 77.05, 24.04, 0.65),
    _clas("x0_5", 60.32, 82.26, 42.58, 1.37),
    _clas("x1_0", 68.80, 88.45, 148.86, 2.29),
    _clas("x1_5", 71.63, 90.15, 301.35, 3.53),
    _clas("x2_0", 73.15, 91.20, 571.70, 7.40),
    _clas("swish", 70.03, 89.17, 148.86, 2.29),
)

PADDLEVISION = (  # hashes: paddlepaddle 3.3.1, paddle/vision/models/shufflenetv2.py
    _vision("x0_25", md5="1e509b4c140eeb096bb16e214796d03b"),
    _vision("x0_33", md5="3d7b3ab0eaa5c0927ff1026d31b729bd"),
    _vision("x0_5", md5="5e5cee182a7793c4e4c73949b1a71bd4"),
    _vision("x1_0", md5="122d42478b9e81eb49f8a9ede327b1a4"),
    _vision("x1_5", md5="faced5827380d73531d0ee027c67826d"),
    _vision("x2_0", md5="cd3dddcd8305e7bcd8ad14d1c69a5784"),
    _vision("swish", md5="adde0aa3b023e5b0c94a68be1c394b84"),
)
