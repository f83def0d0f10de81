"""Networks of other families, told by the names of their weights, so that an error can name them.

Sources: torchvision 0.28, models; timm 1.0.20, models; mmdetection and mmsegmentation, models
(``bbox_head``, ``decode_head``); ultralytics 8, nn/modules; pytorchcv 0.0.67; transformers 4
"""

import re
from collections.abc import Iterable

__all__ = ["family_of"]

_FAMILIES = tuple(
    (re.compile(rf"(?:[^.]+\.)*?{pattern}"), family)
    for pattern, family in (
        (r"(?:bbox_head|rpn_head|rpn|roi_heads?|fpn|pafpn|head\.gfl_cls|head\.cls_preds)\..+",
         "a detector"),
        (r"decode_head\..+", "a segmenter"),
        (r"model\.\d+\.(?:m\.\d+\.)?(?:cv\d\.)?conv\.weight", "a YOLO detector"),
        (r"layer4\.\d+\.conv2\.weight", "a ResNet"),
        (r"layer1\.0\.conv1\.weight", "a ResNet"),
        (r"features\.\d+\.conv\.0\.0\.weight", "a MobileNet V2"),
        (r"features\.\d+\.(?:\d+\.)?block\.0\.0\.weight", "a MobileNet V3 or an EfficientNet"),
        (r"blocks\.\d+\.\d+\.conv_(?:dw|pw)\.weight", "a MobileNet or an EfficientNet of timm's"),
        (r"features\.denseblock1\..+", "a DenseNet"),
        (r"features\.\d+\.squeeze\.weight", "a SqueezeNet"),
        (r"Mixed_5b\..+", "an Inception network"),
        (r"inception3a\..+", "a GoogLeNet"),
        (r"stages\.\d+\.blocks\.\d+\.conv_dw\.weight", "a ConvNeXt"),
        (r"(?:patch_embed\.proj|conv_proj|patch_embeddings\.projection)\.weight",
         "a vision transformer"),
        (r"self_attn\.q_proj\.weight", "a language model"),
        (r"features\.init_block\..+", "a network of pytorchcv's"),
        (r"classifier\.6\.weight", "a VGG network or an AlexNet"),
    )
)  # fmt: skip


def family_of(names: Iterable[str]) -> str:
    """Return the family of networks that names are of, with an article; or nothing.

    >>> family_of(["module.layer1.0.conv1.weight"])
    'a ResNet'
    """
    names = list(names)[:20_000]
    for pattern, family in _FAMILIES:
        if any(pattern.fullmatch(name) for name in names):
            return family
    return ""
