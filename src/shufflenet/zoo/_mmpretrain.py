"""MMPretrain's checkpoints (formerly MMClassification's): V1 and V2 at width 1.0."""

from shufflenet.spec import Preprocess, Published
from shufflenet.zoo._record import PublishedCost, Weights

__all__ = ["MMPRETRAIN"]

# mmpretrain at ee7f2e88, configs/_base_/datasets/imagenet_bs64_pil_resize.py; OpenCV reads
# the images and rotates them by their EXIF tags.
_PREPROCESS = Preprocess(
    resize_px=256,
    crop_px=224,
    value_range=255,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
)


def _cost(folder: str, params_millions: float, flops_millions: float, ours: str) -> PublishedCost:
    return PublishedCost(
        params_millions=params_millions,
        flops_millions=flops_millions,
        source=_source(folder),
        counts=(
            f"Not stated. Convolutions and linear layers need {ours} multiply-adds; the rest is "
            "likely batch norm and activations. Parameters that train."
        ),
    )


def _source(folder: str) -> str:
    return f"open-mmlab/mmpretrain at ee7f2e88, configs/{folder}/metafile.yml"


def _weights(
    network: str, filename: str, top1: float, top5: float, cost: tuple[float, float, str]
) -> Weights:
    folder = network[: len("shufflenet_v1")]
    return Weights(
        name=f"{network}.mmpretrain_in1k",
        network=network,
        source="mmpretrain",
        filename=filename,
        url=f"https://download.openmmlab.com/mmclassification/v0/{folder}/{filename}",
        page=f"https://github.com/open-mmlab/mmpretrain/tree/main/configs/{folder}",
        # The name ends with the first digits: tools/model_converters/publish_model.py.
        sha256=filename.removesuffix(".pth").rpartition("-")[2],
        licence="Apache-2.0",
        preprocess=_PREPROCESS,
        published=Published(top1_percent=top1, top5_percent=top5, source=_source(folder)),
        cost=_cost(folder, *cost),
    )


# fmt: off
MMPRETRAIN = (  # top-1 and top-5 in percent; parameters and FLOPs in millions, our multiply-adds
    _weights("shufflenet_v1_g3_x1_0", "shufflenet_v1_batch1024_imagenet_20200804-5d6cec73.pth",
             68.13, 87.81, (1.87, 146.0, "137.5 M")),
    _weights("shufflenet_v2_x1_0", "shufflenet_v2_batch1024_imagenet_20200812-5bf4721e.pth",
             69.55, 88.92, (2.28, 149.0, "144.9 M")),
)
# fmt: on
