"""What Cortex-M boards need: flash, RAM and instructions an image, by the boards that QEMU plays.

    pip install -e '.[dev]'
    apt install gcc-arm-none-eabi qemu-system-arm
    python benchmarks/boards.py

No board was at hand, so nothing here is a time: QEMU counts instructions, of which a core executes
about one or two a cycle, fewer where its flash is slow. Weights are random, of 10 classes; logits
are compared with those of this machine. What is printed is written beside this script as JSON.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from shufflenet.codegen import Facts, build, jit, object_file
from shufflenet.export import export_onnx
from shufflenet.graph import Convolution, Layer, MaxPool, Network, QuantParams, read_network
from shufflenet.machine import host_target
from shufflenet.models import create_model
from shufflenet.recipes import preprocess_for
from shufflenet.spec import TARGETS, Card, Label, Origin

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bare_metal import compute_logits

CLASSES = 10
LABELS = [Label(str(n), str(n)) for n in range(CLASSES)]
NETWORKS = ("shufflenet_v2_x0_25", "shufflenet_v1_g3_x0_25")
PX = (32, 96, 224)

Row = dict[str, object]


def main() -> None:
    """Compile, run and compare; print and write the table."""
    rows = []
    for row in measured():
        rows.append(row)
        print(row, flush=True)
    what = "counted by QEMU; no board was at hand, so no time was measured"
    to = Path(__file__).with_suffix(".json")
    to.write_text(json.dumps({"what": what, "rows": rows}, indent=1) + "\n")


def measured() -> Iterator[Row]:
    """Yield the figures of each network, type, size and board."""
    for name in NETWORKS:
        network = random_network(name)
        for int8 in (False, True):
            for px in PX:
                yield figures("cortex-m7", name, with_bytes(network) if int8 else network, px)
    for board in ("cortex-m4", "cortex-m33"):
        for int8 in (False, True):
            network = random_network(NETWORKS[0])
            yield figures(board, NETWORKS[0], with_bytes(network) if int8 else network, 96)


def random_network(name: str) -> Network:
    """Return a network with random weights."""
    torch.manual_seed(0)
    net = create_model(name, num_classes=CLASSES).eval()
    card = Card(
        name="random",
        network=net.spec,
        preprocess=preprocess_for(224),
        labels=tuple(LABELS),
        origin=Origin(data="none", licence="none"),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(net, card, path)
        return read_network(path)[0]


def with_bytes(network: Network) -> Network:
    """Return a network of the same shape with random int8 weights."""
    rng = np.random.default_rng(0)

    def changed(layer: Layer) -> Layer:
        if isinstance(layer, MaxPool):
            return replace(layer, padding_value=0.0)
        if not isinstance(layer, Convolution):
            return layer
        return replace(
            layer,
            weight=rng.integers(-30, 31, layer.weight.shape).astype(np.int8),
            bias=rng.normal(0, 20, len(layer.bias)).astype(np.float32),
            scale=np.full(len(layer.bias), 1 / (30 * layer.weight[0].size ** 0.5), np.float32),
            floor=0.0,
            ceiling=255.0,
            limits=(0.0, 255.0),
        )

    last = network.classifier
    weight = rng.integers(-30, 31, last.weight.shape).astype(np.int8)
    last = replace(last, weight=weight, scale=np.full(CLASSES, 1e-3, np.float32))
    return Network([changed(each) for each in network.layers], last, QuantParams(0.02, 114))


def figures(board: str, name: str, network: Network, px: int) -> Row:
    """Return what a network takes on a board, and how far its logits are from this machine's."""
    int8, how, shape = np.uint8 in network.dtypes, preprocess_for(px), (3, px, px)
    module = build(network, TARGETS[board], shape, how, batches=False, least_memory=True)
    facts = Facts(labels=LABELS, card="{}", preprocess=how, most_source_px=320)
    made = object_file(module, facts)
    pixels = np.random.default_rng(0).integers(0, 256, (1, px, px, 3), np.uint8)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.o"
        path.write_bytes(made.content)
        logits, (instructions,) = compute_logits(board, path, pixels, CLASSES, made.memory_bytes)
    expected = jit(build(network, host_target(int8=int8), shape, how)).logits_of_pixels(pixels[0])
    return {
        "board": board,
        "network": name,
        "type": "int8" if int8 else "float32",
        "px": px,
        "flash": len(made.content),
        "weights and tables": made.weights_bytes,
        "RAM": made.memory_bytes,
        "instructions": instructions,
        "difference": float(np.abs(logits - expected).max() / np.abs(expected).max()),
    }


if __name__ == "__main__":
    main()
