"""Whether this processor computes int8 as it is meant, and what files that are in int8 take."""

import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import CheckpointError
from shufflenet.preprocess import normalize
from shufflenet.spec import Card, Preprocess

__all__ = [
    "CHECK_KEY",
    "INT8_AGREEMENT",
    "as_pixels",
    "check_image",
    "check_int8",
    "computes_int8_exactly",
]

_log = logging.getLogger(__name__)

CHECK_KEY = "shufflenet.int8_check"  # the metadata entry that holds the logits of check_image
# Of the largest logit. Where sums are exact, float32 may still round a value at the edge of two
# bytes to the other one: 1 % was seen. Sums that saturate move logits by half of the largest.
INT8_AGREEMENT = 0.1


@cache
def computes_int8_exactly() -> bool:
    """Try whether this processor adds products of u8 and s8 without saturating.

    Processors with AVX2 but without VNNI add two such products in 16 bits, which overflow. What is
    tried is a 1x1 convolution of 64 channels, all weights 127, that ``tools/make_int8_probe.py``
    wrote; of pixels of 255 its exact sums, 64 * 255 * 127, are scaled to 255.

    Source: onnxruntime.ai, Quantize ONNX models, "When and why do I need to try U8U8?"
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    probe = Path(__file__).parent / "int8-probe.onnx"
    session = onnxruntime.InferenceSession(str(probe), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"pixels": np.full((1, 64, 8, 8), 255, np.uint8)})
    return bool((np.asarray(result) == 255).all())


def check_image(how: Preprocess) -> npt.NDArray[np.uint8]:
    """Make the image that every int8 file knows its logits of: ``(1, crop_px, crop_px, 3)``.

    It shows squares of an eighth of its side in colours drawn with seed 0, which make layers
    answer more strongly than noise does.
    """
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    at = np.arange(how.crop_px) * 8 // how.crop_px
    image: npt.NDArray[np.uint8] = colours[at][:, at][None]
    return image


def check_int8(
    logits: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    card: Card,
    metadata: Mapping[str, str],
    path: str | Path,
) -> None:
    """Warn where an int8 file's logits of ``check_image`` are not those computed exactly.

    Args:
        logits: What the file computes here, of prepared images.
        card: Of the file.
        metadata: Of the file; one without such logits is trusted.
        path: What the warning calls it.

    Raises:
        CheckpointError: the logits in the file are damaged.
    """
    if card.int8 is None or CHECK_KEY not in metadata:
        return
    found = logits(normalize(check_image(card.preprocess), card.preprocess))[0]
    try:
        meant = np.array(json.loads(metadata[CHECK_KEY]), np.float32).reshape(found.shape)
    except (TypeError, ValueError) as error:
        problem = "holds damaged logits to be checked by"
        raise CheckpointError(path, problem, "Quantize the network again.") from error
    if not np.abs(found - meant).max() <= INT8_AGREEMENT * np.abs(meant).max():
        _log.warning(
            "%s is computed otherwise here than it is meant, as on processors that round sums of "
            "int8 products: quantize it anew, with --range portable.",
            path,
        )


def as_pixels(batch: npt.NDArray[np.float32], how: Preprocess) -> npt.NDArray[np.uint8]:
    """Turn prepared images, ``(n, 3, h, w)``, back into the RGB bytes they were made of."""
    std, mean = (np.array(x, np.float32)[:, None, None] for x in (how.std, how.mean))
    values = (batch * std + mean) * np.float32(255 / how.value_range)
    colours = 1 if how.channels == "rgb" else -1
    pixels: npt.NDArray[np.uint8] = np.rint(values[:, ::colours]).clip(0, 255).astype(np.uint8)
    return pixels
