"""What the shuffle costs: the deployed network beside the same network with its shuffles.

Batch norms are folded in both; weights are random, which takes the same time. Contenders take turns
(see ``shufflenet.benchmark``).

    python benchmarks/shuffle.py > benchmarks/shuffle.json
"""

import dataclasses
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from shufflenet.benchmark import Contender, compare
from shufflenet.engine import Classifier, OnnxClassifier, OpenVinoClassifier
from shufflenet.export import export_onnx
from shufflenet.labels import label_set
from shufflenet.models import TorchClassifier, create_model
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Card, Origin
from shufflenet.trunk import ShuffleNet

NETWORKS = ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x2_0")
SECONDS = 6.0


def _calm(net: ShuffleNet) -> ShuffleNet:
    """Give batch norms the statistics of what they see, so that values stay of ordinary size."""
    with torch.no_grad():
        for _ in range(10):
            net.train()(torch.randn(4, 3, 224, 224))
    return net.eval()


def _contenders(name: str, threads: int, folder: Path) -> list[Contender]:
    torch.manual_seed(0)
    net = _calm(create_model(name))
    card = Card(
        name=name,
        network=net.spec,
        preprocess=preprocess_for(224),
        labels=label_set("imagenet-1k"),
        origin=Origin(data="none", licence="none"),
    )
    opened: list[tuple[str, str, Classifier]] = [("standard", "torch", TorchClassifier(net, card))]
    for shuffle in ("keep", "free"):
        path = folder / f"{name}.{shuffle}.onnx"
        if not path.exists():
            export_onnx(net, card, path, shuffle="free" if shuffle == "free" else "keep")
        called = "standard" if shuffle == "keep" else "shuffle-free"
        opened.append((called, "onnxruntime", OnnxClassifier(path, threads=threads)))
        opened.append((called, "openvino", OpenVinoClassifier(path, threads=threads)))
    return [
        Contender(f"{name} {called}", runtime, "float32", threads, classifier)
        for called, runtime, classifier in opened
    ]


def main() -> None:
    """Measure and print JSON."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                contenders = _contenders(name, threads, Path(folder))

                def by_torch(
                    contender: Contender,
                    images: npt.NDArray[np.float32],
                    first: Contender = contenders[0],
                ) -> npt.NDArray[np.float32]:
                    return first.classifier.logits(images)

                for batch in (1, 32):
                    rows += compare(contenders, batch=batch, seconds=SECONDS, reference=by_torch)
    packages = ("torch", "onnxruntime", "openvino")
    machine = {
        "processor": _processor(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
    print(json.dumps({"machine": machine, "rows": [dataclasses.asdict(r) for r in rows]}, indent=1))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    kinds = [
        k for k in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if k in found["flags"].split()
    ]
    return f"{found['model name']}, {' '.join(kinds)}"


if __name__ == "__main__":
    main()
