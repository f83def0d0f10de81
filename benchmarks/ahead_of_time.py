"""How fast the model that ships is as a library, beside what other compilers make of its file.

    pip install -e '.[compile,llvm]' 'iree-base-compiler[onnx]' iree-base-runtime emx-onnx-cgen
    python benchmarks/ahead_of_time.py

needs ``gcc`` too. Each compiler gets the same ONNX file with its sizes fixed to one image of 80 px,
and this processor's instructions; all compute in float32 by one thread. They take turns in one
process, in short blocks (see ``shufflenet.benchmark``). Logits are compared with ONNX Runtime's
before anything is timed. Medians, quartiles and ratios are printed, and written beside this script
as JSON.
"""

import ctypes
import json
import platform
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from shufflenet.benchmark import time_interleaved
from shufflenet.compile import compile_network
from shufflenet.runtimes import LlvmClassifier
from shufflenet.spec import FLOAT32_TOLERANCE
from shufflenet.zoo import SHIPPED

assert SHIPPED.onnx  # noqa: S101  # it ships
FILE = SHIPPED.onnx
SIDE = 80
ROUNDS, SECONDS = 40, 4.0
Images = npt.NDArray[np.float32]
Work = Callable[[], npt.NDArray[np.float32]]


def fixed_sizes(to: Path) -> Path:
    """Write the model that ships for one image, as compilers want it."""
    model = onnx.load(str(FILE))
    for value, shape in ((model.graph.input[0], (1, 3, SIDE, SIDE)), (model.graph.output[0], None)):
        dims = value.type.tensor_type.shape.dim
        for dim, size in zip(dims, shape or (1, dims[1].dim_value), strict=True):
            dim.dim_value = size
    onnx.save(onnx.shape_inference.infer_shapes(model, data_prop=True), str(to))
    return to


def empty_logits(model: Path) -> npt.NDArray[np.float32]:
    """Return an array for one image's logits."""
    dims = onnx.load(str(model)).graph.output[0].type.tensor_type.shape.dim
    return np.empty([dim.dim_value for dim in dims], np.float32)


def by_onnxruntime(model: Path, images: Images, folder: Path) -> Work:
    """Compute by ONNX Runtime, not ahead of time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    return lambda: session.run(None, {"images": images})[0]


def by_iree(model: Path, images: Images, folder: Path) -> Work:
    """Compute by IREE: its module, run in the calling thread."""
    import iree.runtime  # noqa: PLC0415  # another's package

    graph, module = folder / "iree.mlir", folder / "iree.vmfb"
    subprocess.run(
        ["iree-import-onnx", str(model), "--opset-version", "18", "-o", str(graph)], check=True
    )
    options = [
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        "--iree-opt-level=O3",
    ]
    subprocess.run(["iree-compile", str(graph), *options, "-o", str(module)], check=True)
    loaded = iree.runtime.load_vm_flatbuffer_file(str(module), driver="local-sync")
    (name,) = (
        each for each in loaded.vm_module.function_names if "async" not in each and each[:2] != "__"
    )
    function = loaded[name]
    return lambda: np.asarray(function(images).to_host())


def by_emx(model: Path, images: Images, folder: Path) -> Work:
    """Compute by the C code of emx-onnx-cgen, compiled by gcc.

    Raises:
        SystemExit: the code does not load its weights.
    """
    source, library = folder / "emx.c", folder / "emx.so"
    subprocess.run(
        ["emx-onnx-cgen", "compile", "--model-name", "emx", str(model), str(source)],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    flags = ["-O3", "-march=native", "-shared", "-fPIC", "-lm"]
    subprocess.run(["gcc", str(source), *flags, "-o", str(library)], check=True)
    code = ctypes.CDLL(str(library))
    weights = next(folder.glob("*.bin"), None)
    if weights:
        code.emx_load.restype = ctypes.c_bool
        if not code.emx_load(str(weights).encode()):
            raise SystemExit("emx-onnx-cgen's code does not load its weights")
    logits = empty_logits(model)

    def work() -> npt.NDArray[np.float32]:
        code.emx(ctypes.c_void_p(images.ctypes.data), ctypes.c_void_p(logits.ctypes.data))
        return logits

    return work


def by_library(model: Path, images: Images, folder: Path) -> Work:
    """Compute by the library that ``shufflenet compile`` writes, as C programs call it."""
    library = folder / "ours.so"
    compiled = compile_network(FILE, library, "host")
    code = ctypes.CDLL(str(library))
    block = np.zeros(compiled.memory_bytes + 64, np.uint8)
    memory = ctypes.c_void_p(block.ctypes.data + -block.ctypes.data % 64)
    code.shufflenet_prepare(memory, ctypes.c_size_t(compiled.memory_bytes))
    logits = empty_logits(model)
    image, output = ctypes.c_void_p(images.ctypes.data), ctypes.c_void_p(logits.ctypes.data)

    def work() -> npt.NDArray[np.float32]:
        assert block.size  # noqa: S101  # kept as long as this function, for the code works in it
        code.shufflenet_logits_of_image(memory, image, output)
        return logits

    return work


def by_llvm(model: Path, images: Images, folder: Path) -> Work:
    """Compute by this package's runtime, which compiles when it starts."""
    classifier = LlvmClassifier(FILE, threads=1)
    return lambda: classifier.logits(images)


CONTENDERS = {
    "ours, ahead of time": by_library,
    "ours, --runtime llvm": by_llvm,
    "ONNX Runtime": by_onnxruntime,
    "IREE": by_iree,
    "emx-onnx-cgen, gcc": by_emx,
}


def main() -> None:
    """Measure, print, write.

    Raises:
        SystemExit: a contender computes other logits.
    """
    images = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = fixed_sizes(folder / "model.onnx")
        works = {title: make(model, images, folder) for title, make in CONTENDERS.items()}
        expected = by_onnxruntime(model, images, folder)().copy()
        for title, work in works.items():
            difference = np.abs(work() - expected).max() / np.abs(expected).max()
            if difference > FLOAT32_TOLERANCE:
                raise SystemExit(f"{title} computes other logits: {difference:.1e} of the largest")
        times = time_interleaved(
            list(works.values()), seconds=[SECONDS] * len(works), rounds=ROUNDS
        )
    medians = {t: np.array(each.round_medians) for t, each in zip(works, times, strict=True)}
    ours = medians["ours, ahead of time"]
    rows = {
        title: {
            "ms": [round(1e3 * float(x), 3) for x in np.quantile(values, (0.25, 0.5, 0.75))],
            "time / ours": [
                round(float(x), 2) for x in np.quantile(values / ours, (0.25, 0.5, 0.75))
            ],
        }
        for title, values in medians.items()
    }
    packages = ("onnxruntime", "iree-base-compiler", "emx-onnx-cgen", "llvmlite")
    result = {
        "machine": platform.processor() or platform.machine(),
        "versions": {package: version(package) for package in packages},
        "what": "float32, one image of 80 px, one thread: first quartile, median, third quartile",
        "rows": rows,
    }
    text = json.dumps(result, indent=1)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
