"""Random networks as machine code, against NumPy layer by layer: float32 closely, int8 by bytes."""

from functools import cache

import numpy as np
import pytest

pytest.importorskip("llvmlite")
from llvmlite import ir

from narrow import NARROW
from reference_layers import random_network, reference_logits
from shufflenet.codegen import build, jit
from shufflenet.codegen.kernels import FLOATS, INDEX, Kernels, Signature, float_multiplier
from shufflenet.graph import Floats, Network
from shufflenet.spec import Target

CLOSE = 1e-5  # of the largest logit: float32, some ten layers deep
CLOSE_INT8 = 0.01  # likewise: float32 rounds some values at the edge of two bytes to the other one


# Seed, height and width. Kernels of every one are tested by test_codegen_kernels_int8.py.
SMALL = {
    "portable": (12, 64, 33),
    "AVX2": (11, 19, 30),
    "AVX-VNNI": (10, 1, 1),
    "AVX-512 VNNI": (12, 64, 33),
    "AMX": (11, 19, 30),
}


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


@pytest.mark.parametrize(
    ("seed", "height", "width"),
    [(0, 1, 1), (1, 5, 9), (2, 33, 7), (3, 24, 40), (4, 160, 224)],  # the last is done in strips
)
def test_float32(seed: int, height: int, width: int) -> None:
    network = random_network(seed)
    compiled = jit(build(network, NARROW, (3, height, width)))
    batch = images(2, 3, height, width)
    expected = np.stack([reference_logits(network, image) for image in batch])
    together = compiled.logits([compiled.features(image) for image in batch])
    alone = np.concatenate([compiled.logits_of(image) for image in batch])
    for logits in (together, alone):
        assert np.abs(logits - expected).max() <= CLOSE * max(1, np.abs(expected).max())
    assert np.array_equal(compiled.logits_of(batch[0]), alone[:1])  # the arena is as it was


@cache
def int8_case(seed: int, height: int, width: int) -> tuple[Network, Floats, Floats]:
    network, image = random_network(seed, int8=True), images(3, height, width)
    return network, image, reference_logits(network, image)


@pytest.mark.parametrize("in_strips", [False, True])
def test_int8(instructions: Target, *, in_strips: bool) -> None:
    case = (13, 320, 352) if in_strips else SMALL[instructions.multiplies_bytes]
    network, image, expected = int8_case(*case)
    compiled = jit(build(network, instructions, image.shape))
    logits = compiled.logits_of(image)[0]
    assert np.abs(logits - expected).max() <= CLOSE_INT8 * max(1, np.abs(expected).max())


def test_a_kernel_is_written_once_and_called_by_all_its_names() -> None:
    kernels = Kernels.create(ir.Module(), float_multiplier(NARROW))
    copy = kernels.moves.copy()
    assert kernels.moves.copy().function is copy.function
    f = kernels.library.function("entry", Signature({"output": FLOATS, "elements": INDEX}))
    fill = kernels.moves.fill()
    fill.forward(f, value=1.0)  # output and elements are its own arguments
    with pytest.raises(TypeError, match="fill is called with other arguments: elements"):
        fill.call(f, output=f.arguments.output, value=1.0)
    with pytest.raises(TypeError, match="other arguments: length"):
        fill.forward(f, value=1.0, length=3)
    with pytest.raises(TypeError, match="copy is called with other arguments"):
        copy.forward(f)
