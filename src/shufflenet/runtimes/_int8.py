"""Whether this processor computes int8 files exactly: a probe, and logits stored in each file."""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ChangedInt8, DamagedCheck, OtherInt8Logits
from shufflenet.files import hash_onnx_graph, read_onnx_metadata
from shufflenet.outside import read_json, typed
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._proof import CHECK_KEY, HASH_KEY, proof_of, stated_image
from shufflenet.spec import Card

__all__ = ["INT8_AGREEMENT", "check_int8", "computes_int8_exactly"]

_log = logging.getLogger(__name__)

# The largest difference between the logits of one int8 file by two runtimes that counts as
# agreement, relative to the largest logit. Sums are exact, but float32 may round a value halfway
# between two bytes to the other one. Of 16 images, by ONNX Runtime, OpenVINO and four instruction
# sets of the LLVM runtime: 1.2 % at most in the shipped network's int8 file; 2 % for noise, as is
# compared here, in a V1 of 8 to 64 channels, which rounds sums twice.
INT8_AGREEMENT = 0.05
# The least difference from a file's own logits that is no rounding: 4 % was seen in that V1. Sums
# that saturate move logits by half of the largest. What a flipped bit moves may be less than any of
# these: the hash finds it.
_OTHER_LOGITS = 0.1


@cache
def computes_int8_exactly() -> bool:
    """Return whether this processor adds products of u8 and s8 without saturating.

    Processors with AVX2 but without VNNI add two such products in 16 bits, which overflow. The
    probe is a 1x1 convolution of 64 channels, all weights 127, that ``tools/make_int8_probe.py``
    wrote; for pixels of 255 its exact sums, 64 * 255 * 127, are scaled to 255.

    Source: onnxruntime.ai, Quantize ONNX models, "When and why do I need to try U8U8?"
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    probe = Path(__file__).parent / "int8-probe.onnx"
    session = onnxruntime.InferenceSession(str(probe), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"pixels": np.full((1, 64, 8, 8), 255, np.uint8)})
    return bool((np.asarray(result) == 255).all())


def check_int8(
    logits_from_pixels: Callable[[Pixels], npt.NDArray[np.float32]],
    card: Card,
    metadata: Mapping[str, str],
    path: str | Path,
) -> None:
    """Check that an int8 file is as it was written, and computes what it computed then.

    Files that ``quantize`` wrote hold the hash of their graph: a flipped bit of a weight, a scale
    or a zero point may move logits by less than processors differ. They also hold the logits of
    ``check_image``. Portable weights give these everywhere; of others a processor that saturates is
    warned of.

    Args:
        logits_from_pixels: Computes the file here: pixels ``(n, h, w, c)`` to ``(n, classes)``, or
            to the rows of a detector.
        card: The file's card.
        metadata: The file's metadata; a file without such logits is not checked.
        path: The file.

    Raises:
        ChangedInt8: the file's graph is not the one that was written.
        DamagedCheck: the logits in the file are damaged.
        OtherInt8Logits: its weights are portable, and other logits are computed.
    """
    if card.int8 is None or CHECK_KEY not in metadata:
        return
    written = read_onnx_metadata(path).get(HASH_KEY)
    if written is not None and written != hash_onnx_graph(path):
        raise ChangedInt8(path)
    try:  # before anything is computed, for which code may first have to be generated
        logits = typed(read_json(metadata[CHECK_KEY]), tuple[float, ...], "logits")
        nothing = np.zeros((1, *card.row_shape), np.float32)
        exact = np.array(logits, np.float32).reshape(proof_of(nothing, card).shape)
    except ValueError as error:  # a SpecError is one
        raise DamagedCheck(path) from error
    image = stated_image(metadata, card.preprocess, path)
    computed = proof_of(logits_from_pixels(image), card)
    if np.abs(computed - exact).max() <= _OTHER_LOGITS * np.abs(exact).max():
        return
    if card.int8.weight_range == "portable":
        raise OtherInt8Logits(path)
    _log.warning(
        "%s gives other logits on this processor than it was quantized for, as on processors "
        "that saturate sums of int8 products. Quantize it again with --range portable.",
        path,
    )
