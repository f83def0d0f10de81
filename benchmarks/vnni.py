"""What share of VNNI's own products of matrices int8 reaches, on a processor that may have AMX too.

    python benchmarks/vnni.py

ONNX Runtime multiplies matrices by AMX where there is AMX, which no setting changes; oneDNN, by
torch, can be kept to VNNI, and so can this package's machine code. V2 1.0 at 224 px and products
of matrices ``(rows, 512) @ (512, 512)`` take turns on one thread. Needs the extras ``torch``,
``llvm`` and ``quantize``, and a processor with VNNI of AVX-512. What is measured is printed and
written beside this script.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE_VNNI"  # read when torch is loaded

import numpy as np
import torch
from contenders import QUANTISED, SIDE, Networks, Work
from speed import machine

from shufflenet.benchmark import cost, take_turns
from shufflenet.native import LlvmClassifier, _compiled
from shufflenet.zoo import find_network

NETWORK, ROWS, INNER, ROUNDS = "shufflenet_v2_x1_0", (256, 512, 1024), 512, 15
FILE = Path(__file__).with_suffix(".json")


def product(rows: int) -> Work:
    """Make a product of bytes ready."""
    weights = torch.quantize_per_tensor(torch.randn(INNER, INNER), 0.05, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(weights, None)
    values = torch.quantize_per_tensor(torch.rand(rows, INNER), 0.01, 0, torch.quint8)
    return lambda: torch.ops.quantized.linear(values, packed, 1.0, 0)


def main() -> None:
    """Measure, print, write.

    Raises:
        SystemExit: the processor has no such VNNI.
    """
    if _compiled._instructions() not in ("AMX", "AVX-512 VNNI"):
        raise SystemExit("This processor has no VNNI of AVX-512.")
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "onednn"
    _compiled._instructions = lambda: "AVX-512 VNNI"
    image = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Networks(Path(folder)).file(NETWORK, QUANTISED, "int8")
        classifier = LlvmClassifier(path, threads=1)
    works = [lambda: classifier.logits(image), *map(product, ROWS)]
    operations = 2 * cost(find_network(NETWORK), SIDE, SIDE).multiply_adds
    counts = [operations, *(2 * rows * INNER**2 for rows in ROWS)]
    turns = take_turns(works, seconds=[2.0] * len(works), rounds=ROUNDS, on_progress=lambda _: None)
    network, *products = (
        1e-9 * count / np.array(found.rounds) for count, found in zip(counts, turns, strict=True)
    )
    best = max(products, key=np.median)
    low, share, high = np.percentile(network / best, (25, 50, 75))
    result = {
        "machine": machine(),
        "network_gops": round(float(np.median(network)), 1),
        "products_gops": round(float(np.median(best)), 1),
        "share": [round(float(value), 3) for value in (low, share, high)],
    }
    FILE.write_text(f"{json.dumps(result, indent=1)}\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
