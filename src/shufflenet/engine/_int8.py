"""Whether this processor computes int8 as it is meant."""

from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["computes_int8_exactly"]


@cache
def computes_int8_exactly() -> bool:
    """Try whether this processor adds products of u8 and s8 without saturating.

    Processors with AVX2 but without VNNI add two such products in 16 bits, which overflow. What is
    tried is a 1x1 convolution of 64 channels, all weights 127, that ``tools/make_int8_probe.py``
    wrote; of pixels of 255 its exact sums, 64 * 255 * 127, are scaled to 255.

    Source: onnxruntime.ai, Quantize ONNX models, "When and why do I need to try U8U8?"
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    probe = Path(__file__).parent.parent / "weights" / "int8-probe.onnx"
    session = onnxruntime.InferenceSession(str(probe), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"pixels": np.full((1, 64, 8, 8), 255, np.uint8)})
    return bool((np.asarray(result) == 255).all())
