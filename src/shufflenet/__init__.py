"""The home of the ShuffleNet family: tiny, fast image classifiers.

>>> import shufflenet
>>> model = shufflenet.open_model()  # the one that ships in the package
>>> model.card.network.name
'shufflenet_v2_x1_0'

``model.classify(["cat.jpg"])`` returns the five most probable classes of each image. Nothing here
loads torch; the networks themselves are in ``shufflenet.models``.
"""

import os

TYPE_CHECKING = False  # as in typing, whose import takes longer than this file
if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from shufflenet.runtimes import Embedder, Model
    from shufflenet.spec import Arithmetic

__all__ = ["__version__", "open_embedder", "open_model"]

__version__ = "0.1.0"

# ONNX Runtime would look up a host of its maker and keep a number for this machine in the home
# folder. It reads this when it is first imported, which every room does after this line.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# The rooms that the documentation offers to programs; each is imported when it is first used.
_ROOMS = (
    *("analyze", "benchmark", "boxes", "convert", "data", "deploy", "draw", "embed", "errors"),
    *("evaluate", "explain", "export", "files", "models", "preprocess", "quantize", "runtimes"),
    *("score", "similar", "sort", "spec", "train", "zoo"),
)


def __dir__() -> list[str]:
    return sorted((*__all__, *_ROOMS))


if not TYPE_CHECKING:  # type checkers know which names there are

    def __getattr__(name: str) -> "ModuleType":
        if name in _ROOMS:
            from importlib import import_module

            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def open_model(
    name: "str | Path" = "default",
    *,
    runtime: str = "auto",
    threads: int | None = None,
    precision: "Arithmetic" = "float32",
) -> "Model":
    """Open a classifier by name or file.

    Args:
        name: ``default``, another name of ``shufflenet list``, or a ``.onnx`` or ``.safetensors``
            file that this package wrote. Published weights are downloaded, converted and exported
            as ONNX when they are first named, and kept (``SHUFFLENET_HOME``).
        runtime: ``auto``, or a name of ``spec.RUNTIMES``. ``auto`` is ONNX Runtime, or OpenVINO
            or LLVM if it is installed and was measured to be faster for this file on this machine
            (``runtimes.open_fastest``), and torch for a ``.safetensors`` file.
        threads: The number of threads that compute a batch; one a core unless given. 1 suits many
            images best: ``classify`` computes as many batches at once as there are cores.
        precision: The arithmetic of a float network: ``float32``, or ``bfloat16`` by OpenVINO on
            processors that have it, which is faster and moves logits by about a tenth.

    Raises:
        SpecError: there is no such runtime, it lacks that precision on this processor, or the
            number of threads is none that can be.
        UnknownName: it is neither a file nor a checkpoint's name.
        NoWeights: it is a network's name.
        CheckpointError: the file is damaged or not one of this package.
        DownloadError: published weights cannot be downloaded.
        MissingDependency: the runtime is not installed.
    """
    from pathlib import Path

    from shufflenet.hub import resolve
    from shufflenet.machine import check_threads
    from shufflenet.runtimes import Opening, find_runtimes

    check_threads(threads)

    runtimes = find_runtimes(runtime, precision)
    path = resolve(name, [suffix for each in runtimes for suffix in each.suffixes])
    return Opening(Path(path).absolute(), runtime, threads, precision).open()


def open_embedder(name: "str | Path" = "default", *, threads: int | None = None) -> "Embedder":
    """Open a model that computes vectors of images: what its last layer reads.

    >>> import numpy as np
    >>> images = np.zeros((2, 80, 80, 3), np.uint8)  # cropped, RGB
    >>> open_embedder().embed_from_pixels(images).shape
    (2, 1024)

    ``shufflenet.embed.embed`` computes those of files on all cores.

    Args:
        name: ``default``, another name of ``shufflenet list``, the folder of a training run, or a
            ``.onnx`` or ``.safetensors`` file that this package wrote. Published weights are
            downloaded, converted and exported as ONNX when they are first named, and kept.
        threads: The number of threads that compute a batch; one a core unless given. 1 suits many
            images best: ``embed`` computes as many batches at once as there are cores.

    Raises:
        SpecError: the number of threads is none that can be.
        UnknownName: it is neither a file nor a checkpoint's name.
        NoWeights: it is a network's name.
        CheckpointError: the file is damaged or not one of this package.
        DownloadError: published weights cannot be downloaded.
        MissingDependency: it is a checkpoint, or has to be converted, and torch is not installed.
    """
    from shufflenet import runtimes
    from shufflenet.hub import CHECKPOINT, ONNX, resolve

    return runtimes.open_embedder(resolve(name, (ONNX, CHECKPOINT)), threads=threads)
