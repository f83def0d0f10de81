"""What the model that ships takes on every target, and how far its logits are from this machine's.

    pip install -e '.[dev]'
    apt install qemu-user gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-riscv64-linux-gnu
    python benchmarks/devices.py [--int8 FILE.onnx]

Code, weights and working memory are read from the objects, of the file in float32 and of an int8
file of it, such as ``shufflenet quantize default`` writes. Where QEMU plays the processor, eight
random images are computed there, and compared with what this machine's code computes: the largest
difference relative to the largest logit, and how many logits differ at all. Nothing here is a time.
What is printed is written beside this script as JSON.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from shufflenet.codegen import build
from shufflenet.compile import compile_network, object_format
from shufflenet.graph import read_network
from shufflenet.recipes import preprocess_for
from shufflenet.runtimes import LlvmClassifier
from shufflenet.spec import TARGETS
from shufflenet.zoo import SHIPPED

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cross import MACHINES
from cross_networks import logits_elsewhere

IMAGES = 8

Row = dict[str, object]


def sizes(file: Path, target: str, least_memory: bool, folder: Path) -> Row:
    """Return bytes of code, weights and working memory."""
    made = compile_network(file, folder / "model.o", target, least_memory=least_memory)
    return {
        "code_bytes": made.code_bytes,
        "weights_bytes": made.weights_bytes,
        "memory_bytes": made.memory_bytes,
    }


def agreement(file: Path, target: str, folder: Path) -> Row:
    """Return how far logits are from this machine's, where QEMU plays the processor."""
    network, _ = read_network(file)
    here = LlvmClassifier(file, threads=1)
    side, _ = here.card.preprocess.size_px
    module = build(network, TARGETS[target], (3, side, side), preprocess_for(side), batches=False)
    images = np.random.default_rng(0).standard_normal((IMAGES, 3, side, side), np.float32)
    expected = here.logits(images)
    difference = np.abs(logits_elsewhere(target, module, images, folder) - expected)
    return {
        "largest_difference": float(difference.max() / np.abs(expected).max()),
        "logits_that_differ": f"{np.count_nonzero(difference)} of {difference.size}",
    }


def figures(file: Path, kind: str, target: str, folder: Path) -> Row:
    """Return a row of the table."""
    row: Row = {"target": target, "numbers": kind, "format": object_format(TARGETS[target])}
    row |= sizes(file, target, False, folder)
    row["least_memory_bytes"] = sizes(file, target, True, folder)["memory_bytes"]
    machine = MACHINES.get(target)
    if machine and all(map(shutil.which, [machine.compiler, *machine.emulator[:1]])):
        row |= agreement(file, target, folder)
    return row


def main() -> None:
    """Compile, run and compare; print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--int8", type=Path, help="an int8 file, written by `shufflenet quantize`")
    int8 = parser.parse_args().int8
    files = {"float32": SHIPPED.onnx} | ({"int8": int8} if int8 else {})
    with TemporaryDirectory() as folder:
        rows = [
            figures(file, kind, target, Path(folder))
            for target in tqdm(TARGETS)
            for kind, file in files.items()
            if file
        ]
    result = {"model": "default, 80 px", "rows": rows}
    text = json.dumps(result, indent=1)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
