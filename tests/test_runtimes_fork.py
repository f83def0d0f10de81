"""Processes forked after a batch was computed by several threads answer too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
@pytest.mark.parametrize("runtime", ["llvm", "torch"])  # the two that keep threads
def test_a_forked_process_answers(runtime: str) -> None:
    package = {"llvm": "llvmlite"}.get(runtime, runtime)
    pytest.importorskip(package)
    assert SHIPPED.onnx
    path = Path(SHIPPED.onnx)
    if runtime == "torch":
        path = path.with_suffix(".safetensors")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, runtime, path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip() == "[0, 0]", done.stderr
