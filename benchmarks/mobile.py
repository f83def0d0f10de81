"""How fast the runtimes of phones compute ShuffleNet V2 1.0, with its shuffle and without.

LiteRT and ExecuTorch, both by XNNPACK, beside ONNX Runtime on the same network in the same turns,
float32, one image, one thread. The two cannot be installed side by side, nor beside what the
package's extras want, so each has an environment of its own:

    python -m venv litert && litert/bin/pip install litert-torch==0.10.0 'torch==2.13.*' '.[torch]'
    litert/bin/python benchmarks/mobile.py

    python -m venv et && et/bin/pip install executorch==1.5.1 'torch==2.13.*' '.[torch,openvino]'
    et/bin/python benchmarks/mobile.py

The result is kept in ``mobile.json`` beside this script, one for each of the two. Weights are
random, which takes the same time.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import (
    OURS,
    SIDE,
    STANDARD,
    Images,
    LeftOut,
    Networks,
    Work,
    by_onnxruntime,
    by_openvino,
)
from speed import machine

from shufflenet.benchmark import speedup, time_interleaved
from shufflenet.deploy import deploy, fold_batch_norms

NETWORK = "shufflenet_v2_x1_0"
FILE = Path(__file__).with_suffix(".json")


def by_litert(net: torch.nn.Module, images: Images, folder: Path) -> Work:
    """Convert a network and compute it by LiteRT; images go in with channels last, as it wants."""
    import litert_torch  # noqa: PLC0415  # is in one of the two environments
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  # likewise

    last = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    wrapped = litert_torch.to_channel_last_io(net, args=[0]).eval()
    path = folder / f"{id(net)}.tflite"
    litert_torch.convert(wrapped, (torch.from_numpy(last),)).export(str(path))
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def work() -> Images:
        interpreter.set_tensor(given["index"], last)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(made["index"]))

    return work


def by_executorch(net: torch.nn.Module, images: Images, folder: Path) -> Work:
    """Lower a network to XNNPACK and compute it by ExecuTorch.

    Raises:
        LeftOut: it cannot run what it made.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # noqa: PLC0415  # may be absent
        XnnpackPartitioner,
    )
    from executorch.exir import to_edge_transform_and_lower  # noqa: PLC0415  # likewise
    from executorch.extension.pybindings import portable_lib  # noqa: PLC0415  # likewise
    from executorch.runtime import Runtime  # noqa: PLC0415  # likewise

    example = torch.from_numpy(images)
    program = torch.export.export(net, (example,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = folder / f"{id(net)}.pte"
    path.write_bytes(lowered.to_executorch().buffer)
    portable_lib._unsafe_reset_threadpool(1)  # it takes all cores otherwise
    method = Runtime.get().load_program(path).load_method("forward")
    if method is None:
        raise LeftOut("ExecuTorch finds no method in what it made")
    return lambda: np.asarray(method.execute([example])[0])


def works(networks: Networks, images: Images, folder: Path) -> dict[tuple[str, str], Work]:
    """Make ready all that is installed here, by graph and runtime."""
    mobile: dict[str, Callable[[torch.nn.Module, Images, Path], Work]] = {}
    if find_spec("litert_torch"):
        mobile["LiteRT"] = by_litert
    if find_spec("executorch"):
        mobile["ExecuTorch"] = by_executorch
    found = {}
    net = networks.net(NETWORK)
    for graph, module in ((STANDARD, fold_batch_norms(net)), (OURS, deploy(net))):
        for name, make in mobile.items():
            found[graph, name] = make(module.eval(), images, folder)
        path = networks.file(NETWORK, graph, "float32")
        found[graph, "ONNX Runtime"] = by_onnxruntime(path, images, 1)
        if find_spec("openvino"):
            found[graph, "OpenVINO"] = by_openvino(path, images, 1)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="for each contender")
    parser.add_argument("--to", type=Path, default=FILE, metavar="FILE.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        entries = works(Networks(Path(folder)), images, Path(folder))
        times = time_interleaved(list(entries.values()), seconds=[args.seconds] * len(entries))
    expected = entries[STANDARD, "ONNX Runtime"]()
    base = times[list(entries).index((OURS, "ONNX Runtime"))].round_medians
    rows: list[dict[str, Any]] = [
        {
            "graph": graph,
            "runtime": runtime,
            "p50_ms": round(1e3 * float(np.median(np.concatenate(found.warm))), 3),
            "cold_ms": round(1e3 * float(np.median(found.cold)), 3),
            "times_as_fast_as_shuffle_free_onnxruntime": round(
                speedup(found.round_medians, base).median, 3
            ),
            "max_abs_difference": float(np.abs(work() - expected).max()),
        }
        for ((graph, runtime), work), found in zip(entries.items(), times, strict=True)
    ]
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    kept = json.loads(args.to.read_text()) if args.to.exists() else {}
    of = "+".join(sorted({row["runtime"] for row in rows}))
    kept[of] = {"network": NETWORK, "machine": machine(), "rows": rows}
    args.to.write_text(f"{json.dumps(kept, indent=1)}\n")


if __name__ == "__main__":
    main()
