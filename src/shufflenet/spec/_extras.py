"""Which extra of this package installs a package that is missing."""

from shufflenet.spec._format import FORMATS
from shufflenet.spec._runtime import RUNTIMES

__all__ = ["find_extra"]

# Packages that neither a runtime nor a format needs, or that they need beside their own.
_OTHERS = {
    "onnx_ir": "torch",
    "onnxscript": "torch",
    "lightning_fabric": "train",
    "tensorboard": "train",
    "matplotlib": "chart",
    "faster_coco_eval": "detect",
    "pyarrow": "parquet",
    "pillow_heif": "heic",
    "tifffile": "tiff",
    "ziglang": "compile",
    "starlette": "serve",
    "uvicorn": "serve",
    "httptools": "serve",
    "multipart": "serve",
    "prometheus_client": "serve",
}


def find_extra(package: str) -> str | None:
    """Return the extra that installs a package, or None for packages that no extra installs.

    >>> find_extra("openvino"), find_extra("matplotlib"), find_extra("numpy")
    ('openvino', 'chart', None)
    """
    extras = _OTHERS | {form.package: form.extra for form in FORMATS.values()}
    extras |= {runtime.package: runtime.extra for runtime in RUNTIMES.values()}
    return extras.get(package.partition(".")[0]) or None
