"""Write tests/golden/originals-*.npz: what the original implementations compute.

Every network gets weights that `tests/seeded.py` makes from names and shapes alone, and images of
`tests/originals.py`; a file keeps the entries of the checkpoint that the source saves, and some of
the logits. Nothing of the originals is copied: they are imported from clones.

    git clone https://github.com/megvii-model/ShuffleNet-Series      DIR/megvii      (aa91feb)
    git clone https://github.com/open-mmlab/mmpretrain               DIR/mmpretrain  (ee7f2e8)
    git clone https://github.com/PaddlePaddle/PaddleClas             DIR/paddleclas  (d178931)
    git clone https://github.com/ericsun99/Shufflenet-v2-Pytorch     DIR/ericsun99   (7f198bd)

    PYTHONPATH=tests python tools/make_originals.py --originals DIR --paddle PYTHON [SOURCE ...]

``PYTHON`` is an interpreter that has paddlepaddle; the others run in the one that runs this, which
needs torch, onnx and onnxruntime. Each network is built in a process of its own: Megvii's files
share names, and Paddle's fix the names of their parameters.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from original_code import ericsun99, megvii, mmpretrain, onnx_zoo, paddle
from original_code.source import Run, Weights

from originals import CLASSES, Original, images, to_text, weights

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
SOURCES = {
    **megvii.SOURCES,
    **mmpretrain.SOURCES,
    **paddle.SOURCES,
    **onnx_zoo.SOURCES,
    **ericsun99.SOURCES,
}


def _controls(
    state: Weights, run: Run, batch: npt.NDArray[np.float64], logits: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Roll the rows of a tensor: how much that changes the logits, for some tensors."""
    able = [
        key
        for key, value in state.items()
        if value.ndim and value.shape[0] > 1 and not re.search(r"\.predict_|se_block", key)
    ]
    squeezes = [key for key in able if re.search(r"SE.*weight|se_fc.*weight", key)]
    chosen = {able[i] for i in np.linspace(0, len(able) - 1, 12).round().astype(int)}
    chosen |= {squeezes[i] for i in (1, len(squeezes) // 2, -1) if squeezes}
    effects = {}
    for key in sorted(chosen):
        changed = dict(state)
        changed[key] = np.roll(state[key], 1, axis=0)
        again = key.replace("se_fc1.", "se_block.0.").replace("se_fc2.", "se_block.2.")
        if again in changed:  # a tensor that a file has twice
            changed[again] = changed[key]
        effects[key] = float(np.abs(run(changed, batch) - logits).max() / np.abs(logits).max())
    return effects


def _one(root: Path, source: str, name: str, out: Path) -> None:
    """Build and run one network, in this process."""
    facts = SOURCES[source]
    entries, run = facts.build(root, name)
    empty = np.empty((facts.batch, 0))
    original = Original(source, name, entries, facts.size, facts.batch, empty, facts.float64)
    state = weights(original)
    batch = images(original)
    logits = run(state, batch)
    if logits.shape != (facts.batch, 1000) or not np.isfinite(logits).all():
        raise RuntimeError(f"{original}: logits of shape {logits.shape}, or not finite")
    effects = _controls(state, run, batch, logits)
    least = min(effects, key=effects.__getitem__)
    print(
        f"{original}: {len(entries)} entries, |logit| <= {np.abs(logits).max():.4g}, "
        f"spread {logits.std():.4g}, images differ {np.abs(logits[0] - logits[-1]).max():.4g}; "
        f"controls {effects[least]:.2g} ({least}) to {max(effects.values()):.2g}",
        flush=True,
    )
    if effects[least] < 1e-5:
        raise RuntimeError(f"{original}: rolling {least} changes nothing: {effects}")
    versions = {package: importlib.metadata.version(package) for package in facts.packages}
    versions["python"] = platform.python_version()
    np.savez(
        out,
        entries=to_text(entries),
        logits=logits[:, CLASSES],
        versions=np.array(json.dumps(versions)),
    )


def _all(source: str, root: Path, python_of_paddle: str) -> None:
    facts = SOURCES[source]
    arrays: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for name in facts.networks:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "one.npz"
            python = python_of_paddle if "paddlepaddle" in facts.packages else sys.executable
            command = [python, __file__, "--originals", str(root), "--one", source, name, str(out)]
            environment = {**os.environ, "PYTHONPATH": str(GOLDEN.parent)}
            subprocess.run(command, check=True, env=environment)
            with np.load(out) as file:
                arrays[f"entries {name}"] = file["entries"]
                arrays[f"logits {name}"] = file["logits"]
                versions = json.loads(str(file["versions"]))
        arrays[f"size {name}"] = np.array(facts.size)
    origin = {
        "repository": facts.repository,
        "commit": facts.commit,
        "files": {f: hashlib.sha256((root / f).read_bytes()).hexdigest() for f in facts.files},
        "licence": facts.licence,
        "checkpoint": facts.file,
        "float64": facts.float64,
        "versions": versions,
        "written by": "tools/make_originals.py",
    }
    path = GOLDEN / f"originals-{source}.npz"
    np.savez_compressed(path, origin=np.array(json.dumps(origin)), **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)


def main() -> None:
    """Compute and write everything, or the sources named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--originals", type=Path, required=True, metavar="DIR")
    parser.add_argument("--paddle", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    arguments = parser.parse_args()
    if arguments.one:
        source, name, out = arguments.one
        _one(arguments.originals, source, name, Path(out))
        return
    for source in arguments.sources or SOURCES:
        _all(source, arguments.originals.resolve(), arguments.paddle)


if __name__ == "__main__":
    main()
