"""What is to be compiled, and what is told of the result."""

import re
from dataclasses import dataclass

from shufflenet.codegen import WeightType
from shufflenet.compile._targets import HOST
from shufflenet.errors import SpecError
from shufflenet.spec import MAX_CROP_PX

__all__ = ["MOST_SOURCE_PX", "CompiledFile", "Order"]

MOST_SOURCE_PX = 8192
_LARGEST_SOURCE_PX = 1 << 15  # offsets within a row of such photos fit 32 bits by far
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made; see ``compile_network``."""

    target: str = HOST
    cpu: str = ""
    features: str = ""
    image_px: tuple[int, int] | None = None
    prefix: str = "shufflenet"
    weights: WeightType | None = None
    least_memory: bool = False
    most_source_px: int = MOST_SOURCE_PX

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.prefix):
            expected = "a name in C of at most 100 letters, digits and _"
            raise SpecError("prefix", self.prefix, expected)
        if self.weights not in ("float32", "float16", None):
            raise SpecError("weights", self.weights, "'float32' or 'float16'")
        for name, size, most in (
            ("image_px", self.image_px or (1, 1), MAX_CROP_PX),
            ("most_source_px", (self.most_source_px,), _LARGEST_SOURCE_PX),
        ):
            if not all(1 <= each <= most for each in size):
                raise SpecError(name, getattr(self, name), f"from 1 to {most} px")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFile:
    """A file that was written, and what it takes.

    Attributes:
        path: The file.
        header: The C header beside it.
        import_library: What programs for Windows link with, beside a DLL; empty elsewhere.
        model: The model's name on its card.
        target: The target as it was named.
        triple: LLVM's triple of it.
        cpu: LLVM's name of the processor; empty for the architecture's baseline.
        multiplies_bytes: The instructions that int8 layers multiply by; empty without such layers.
            Of a file of several levels, those of each.
        image_px: Height and width of images.
        file_bytes: Bytes of the file.
        code_bytes: Bytes of machine code in it.
        weights_bytes: Bytes of weights and tables in it.
        memory_bytes: Bytes of working memory that each caller gives.
        max_abs_difference: The largest difference between its logits and ONNX Runtime's of the
            source file; None where this machine cannot run it; of a WebAssembly module, where
            Wasmtime is not installed.
        max_abs_logit: The largest of those logits.
    """

    path: str
    header: str
    import_library: str
    model: str
    target: str
    triple: str
    cpu: str
    multiplies_bytes: str
    image_px: tuple[int, int]
    file_bytes: int
    code_bytes: int
    weights_bytes: int
    memory_bytes: int
    max_abs_difference: float | None
    max_abs_logit: float
