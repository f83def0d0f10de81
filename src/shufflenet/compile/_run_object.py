"""A program that computes logits by a compiled network: a process of its own, which may crash.

It is given the file, the prefix of its functions, a file of images and one for their logits, both
of NumPy. It exits with the code of the function that did not return 0. It imports nothing of this
package, so that it starts at once.
"""

import ctypes
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__: list[str] = []


def _addresses(path: Path, prefix: str) -> Callable[[str], int]:
    """Return a function that finds the address of a function of a library, or of an object."""
    if path.suffix != ".o":
        library = ctypes.CDLL(str(path))

        def of_library(name: str) -> int:
            return ctypes.cast(getattr(library, f"{prefix}_{name}"), ctypes.c_void_p).value or 0

        return of_library
    from llvmlite import binding  # noqa: PLC0415  # libraries do without

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(path.read_bytes()))
    engine.finalize_object()

    def of_object(name: str) -> int:
        address: int = engine.get_function_address(f"{prefix}_{name}")
        return address

    return of_object


def _run(path: Path, prefix: str, images: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Compute logits, ``(n, classes)``, of bytes ``(n, h, w, c)`` or floats ``(n, c, h, w)``."""
    address = _addresses(path, prefix)
    text = ctypes.CFUNCTYPE(ctypes.c_char_p)(address("proof"))()
    facts = json.loads(text or b"")
    size = facts["memory_bytes"]
    block = np.zeros(size + facts["memory_alignment"], np.uint8)
    memory = block[-block.ctypes.data % facts["memory_alignment"] :]
    pointers = [ctypes.c_void_p] * 3
    prepare = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
    _check(prepare(address("prepare"))(memory.ctypes.data, size))
    name = "logits" if images.dtype == np.uint8 else "logits_of_image"
    compute = ctypes.CFUNCTYPE(ctypes.c_int32, *pointers)(address(name))
    logits = np.empty((len(images), facts["classes"]), np.float32)
    for image, row in zip(images, logits, strict=True):
        _check(compute(memory.ctypes.data, image.ctypes.data, row.ctypes.data))
    return logits


def _check(code: int) -> None:
    if code:
        sys.exit(code)


if __name__ == "__main__":
    file, prefix_of_names, source, target = sys.argv[1:]
    np.save(target, _run(Path(file), prefix_of_names, np.load(source)))
