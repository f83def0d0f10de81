"""torchvision's checkpoints: V2 at four widths, in float32 and in int8."""

from dataclasses import dataclass, replace

from shufflenet.spec import Preprocess, Published
from shufflenet.zoo._record import TORCHVISION_232, TORCHVISION_256, PublishedCost, Weights

__all__ = ["TORCHVISION"]

_FLOAT = "models/shufflenetv2.py"
_INT8 = "models/quantization/shufflenetv2.py"
_COUNTS = (
    "Multiply-adds of convolutions and linear layers, rounded to a million "
    "(pytorch/vision at 3bc462f, test/common_extended_utils.py); parameters that train."
)

# torchvision's own are BSD-3-Clause. x0_5 and x1_0 say "ported from
# https://github.com/ericsun99/Shufflenet-v2-Pytorch", whose LICENSE (at 7f198bd) is BSD-2-Clause.
_BSD_2 = "BSD-2-Clause"
_BSD_3 = "BSD-3-Clause"


@dataclass(frozen=True, slots=True)
class _Width:
    """The facts that the float32 and the int8 file of a width share.

    ``params_millions`` is ``num_params`` of the source, ``flops_millions`` its ``_ops``, which are
    in thousands of millions.
    """

    params_millions: float
    flops_millions: float
    preprocess: Preprocess
    licence: str


_WIDTHS = {
    "x0_5": _Width(1.366792, 40.0, TORCHVISION_256, _BSD_2),
    "x1_0": _Width(2.278604, 145.0, TORCHVISION_256, _BSD_2),
    "x1_5": _Width(3.503624, 296.0, TORCHVISION_232, _BSD_3),
    "x2_0": _Width(7.393996, 583.0, TORCHVISION_232, _BSD_3),
}


def _weights(width: str, filename: str, top1: float, top5: float) -> Weights:
    facts, quantized = _WIDTHS[width], "fbgemm" in filename
    file = _INT8 if quantized else _FLOAT
    source = f"torchvision 0.28.0, {file}"
    ported = " (of weights ported from ericsun99/Shufflenet-v2-Pytorch at 7f198bd)"
    stated_in = source + (ported if facts.licence == _BSD_2 else "")
    network = f"shufflenet_v2_{width}"
    return Weights(
        name=f"{network}.torchvision_in1k{'_fbgemm' if quantized else ''}",
        network=network,
        source="torchvision",
        filename=filename,
        url=f"https://download.pytorch.org/models/{'quantized/' if quantized else ''}{filename}",
        page=f"https://github.com/pytorch/vision/blob/main/torchvision/{file}",
        # The name ends with the first digits of the hash, which torch.hub checks: torchvision
        # 0.28.0, models/_api.py.
        sha256=filename.removesuffix(".pth").rpartition("-")[2],
        licence=facts.licence,
        preprocess=facts.preprocess,
        published=Published(top1_percent=top1, top5_percent=top5, source=stated_in),
        cost=PublishedCost(
            params_millions=facts.params_millions,
            flops_millions=facts.flops_millions,
            source=source,
            counts=_COUNTS,
        ),
        quantized=quantized,
    )


TORCHVISION = (
    _weights("x0_5", "shufflenetv2_x0.5-f707e7126e.pth", 60.552, 81.746),
    replace(
        _weights("x1_0", "shufflenetv2_x1-5666bf0f80.pth", 69.362, 88.316),
        # Hash and size of the whole file: openvinotoolkit/open_model_zoo#1653.
        bytes=9_218_294,
        sha256="5666bf0f80d1e7f8fb61f6a65742b9c27c37f3208c1f087cdcd7c1ec1aa8b848",
    ),
    _weights("x1_5", "shufflenetv2_x1_5-3c479a10.pth", 72.996, 91.086),
    _weights("x2_0", "shufflenetv2_x2_0-8be3c8ee.pth", 76.230, 93.006),
    _weights("x0_5", "shufflenetv2_x0.5_fbgemm-00845098.pth", 57.972, 79.780),
    _weights("x1_0", "shufflenetv2_x1_fbgemm-1e62bb32.pth", 68.360, 87.582),
    _weights("x1_5", "shufflenetv2_x1_5_fbgemm-d7401f05.pth", 72.052, 90.700),
    _weights("x2_0", "shufflenetv2_x2_0_fbgemm-5cac526c.pth", 75.354, 92.488),
)
