"""Processes forked after a batch was computed by several threads answer too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shufflenet.export import export_onnx_file
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import SHIPPED

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# The child ends itself where it would wait for threads that it does not have.
SCRIPT = """
import os, signal, sys
import numpy as np
from shufflenet.runtimes import open_by
from shufflenet.spec import RUNTIMES
classifier = open_by(RUNTIMES[sys.argv[1]], __import__("pathlib").Path(sys.argv[2]), threads=2)
batch = np.random.default_rng(0).standard_normal((4, 3, 48, 48), np.float32)
before = os.fork()
if not before:
    signal.alarm(100)
first = classifier.logits(batch)
if not before:
    os._exit(0 if np.isfinite(first).all() else 3)
after = os.fork()
if not after:
    signal.alarm(100)
    same = np.abs(classifier.logits(batch) - first).max() <= 1e-4 * np.abs(first).max()
    os._exit(0 if same else 3)
print([os.waitpid(child, 0)[1] for child in (before, after)])
assert np.array_equal(classifier.logits(batch), first)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("runtime", ["llvm", "torch", "litert"])  # those that keep threads
def test_a_forked_process_answers(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(RUNTIMES[runtime].package)
    assert SHIPPED.onnx
    path = Path(SHIPPED.onnx)
    if runtime == "torch":
        path = path.with_suffix(".safetensors")
    if runtime == "litert":
        export_onnx_file(path, tmp_path / "a.tflite")
        path = tmp_path / "a.tflite"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, runtime, path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip() == "[0, 0]", done.stderr
