"""The ONNX model zoo's checkpoints: V1 in five opsets, V2 in float and in int8."""

from dataclasses import dataclass, replace

from shufflenet.spec import Published
from shufflenet.zoo._record import TORCHVISION_256, Weights

__all__ = ["ONNX_ZOO"]

_FOLDER = "validated/vision/classification/shufflenet"  # in onnx/models, at b1eeaa1a
# The copy of the whole repository: iree-org/iree-test-suites#101. That suite downloads shufflenet-9
# and shufflenet-v2-12 from it by their old paths (onnx_models/cache.py and
# tests/model_zoo/validated/vision/classification_models_test.py). The other files, and whether the
# copies have the hashes below, were not tried.
_MIRROR = "https://huggingface.co/onnxmodelzoo/legacy_models"

_MOVED = (
    "The zoo's own downloads ended in July 2025; the address is that of its copy on Hugging Face, "
    "and was not tried."
)
_V1 = (
    "The graph ends with a softmax, so its output is probabilities, and takes one image at a time. "
    "Its preprocessing is unknown: the README states torchvision's for every model, but the "
    "network comes from Caffe2, and users got one class for all images (onnx/models#123)."
)
_OLD = "ONNX Runtime rejects operator sets before 7."
_README_OUTPUT = "Its output is logits, though the README mentions a softmax."
_OTHER_RESIZE = (
    "Its accuracy is below that of shufflenet-v2-10, probably because the zoo's notebook "
    "(validated/vision/classification/onnxrt_inference.ipynb) resizes images to 256x256 without "
    "keeping their aspect ratio, with OpenCV; the README, which is followed here, resizes the "
    "shorter side."
)
_INT8 = (
    "The result depends on the processor: ONNX Runtime 1.23.1 was reported to compute it wrongly "
    "on Xeons with AMX (microsoft/onnxruntime#26324), and the zoo tests it with AVX512-VNNI only."
)
_TYPO = "Its published top-5 error, 19.94, is probably a typing error."


@dataclass(frozen=True, slots=True)
class _File:
    """A published file: its name, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


def _v1(opset: int, size: int, sha256: str) -> Weights:
    file = _File(f"shufflenet-{opset}.onnx", size, sha256)
    defects = (_V1, _OLD, _MOVED) if opset < 7 else (_V1, _MOVED)
    weights = _weights("shufflenet_v1_g4_x0_5_onnx", f"{opset}", file, defects)
    return replace(weights, onnxruntime_reads=opset >= 7, output="probabilities")


def _v2(
    variant: str, errors: tuple[float, float], size: int, sha256: str, *defects: str
) -> Weights:
    file = _File(f"shufflenet-v2-{variant}.onnx", size, sha256)
    tag = variant.replace("-", "_")
    weights = _weights("shufflenet_v2_x1_0", tag, file, (_README_OUTPUT, *defects, _MOVED))
    top1, top5 = (round(100 - error, 2) for error in errors)  # the README states errors
    source = f"onnx/models at b1eeaa1a, {_FOLDER}/README.md"
    published = Published(top1_percent=top1, top5_percent=top5, source=source)
    return replace(weights, published=published)


def _weights(network: str, tag: str, file: _File, defects: tuple[str, ...]) -> Weights:
    return Weights(
        name=f"{network}.onnx_zoo_{tag}",
        network=network,
        source="onnx_zoo",
        filename=file.name,
        url=f"{_MIRROR}/resolve/main/{_FOLDER}/model/{file.name}",
        page=f"{_MIRROR}/tree/main/{_FOLDER}",
        sha256=file.sha256,
        bytes=file.size,
        licence="BSD-3-Clause",  # its README.md; shufflenet/README.md, older, says MIT of V1
        preprocess=TORCHVISION_256,
        quantized=tag.endswith(("int8", "qdq")),
        defects=" ".join(defects),
    )


# Sizes and hashes: Git LFS pointers in onnx/models at b1eeaa1a, validated/…/shufflenet/model.
# Errors in percent: the README beside them. V2 was exported from torchvision 0.5.0's x1_0, by
# ShufflenetV2-export.py there.
# fmt: off
ONNX_ZOO = (
    _v1(3, 5_723_516, "ebbf0f6cf45d6971dee7833bfa9cceb868f19ed753c5bf6053857cdb68fc15bc"),
    _v1(6, 5_724_572, "b0e5f38aa3961e6d208ccfe5e34dc52c1b9bf96f4b377cdba1919c6810457258"),
    _v1(7, 5_723_770, "359609ab27d27d44091e05f9a5127d9ce0c155ed69d0716f41e6779998bc4764"),
    _v1(8, 5_723_770, "faabc409fd57ae83ddebe7fb981ee492a7899c1acb4893cc8e64c11f0ccdaa98"),
    _v1(9, 5_723_770, "3642c54024f09d35236f325df9822e772596c394cd90fd8e98ca1d2eba309e6f"),
    _v2("10", (30.64, 11.68), 9_218_554,
        "8b85e969a0a5518b554c99548379d1ba54d973733a6a12012138d91852308584"),
    _v2("12", (33.65, 13.43), 9_218_556,
        "ea69821b4dd374ae2f33f9710dd1229ac263d0ee5b5a46ca3521f6483e1ba035", _OTHER_RESIZE),
    _v2("12-int8", (33.85, 13.66), 2_388_912,
        "bf5eefde67941aa7eaa7787316c9c52c4b04e07fc9587a6ea7028883be9a8d4e", _OTHER_RESIZE, _INT8),
    _v2("12-qdq", (33.88, 19.94), 2_415_805,
        "7c536d02e2f6af9569e5f3c7a4d8282060072119524c93c8da71e63876b4722b",
        _OTHER_RESIZE, _TYPO, _INT8),
)
# fmt: on
