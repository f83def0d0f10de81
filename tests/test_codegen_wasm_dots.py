"""Products of bytes for WebAssembly's relaxed SIMD, on processors that multiply in several ways.

One processor has one way. The two instructions are therefore replaced by functions, compiled for
this machine, that compute what engines make of them.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("llvmlite")
from llvmlite import binding, ir

import test_codegen_kernels_int8 as kernels
from narrow import NARROW
from shufflenet.codegen import _llvm, build
from shufflenet.spec import TARGETS, Target
from small_networks import small_network

TARGET = replace(NARROW, multiplies_bytes="WebAssembly relaxed SIMD")

# How bytes of the second operand are widened, and whether pairs are added in 16 bits.
WAYS = {
    "sdot, vpdpbssd": ("sext", False),
    "vpdpbusd": ("zext", False),
    "vpmaddubsw": ("zext", True),
    "smull": ("sext", True),
}

FUNCTIONS = """
define internal <8 x i32> @pairs(<16 x i32> %p) alwaysinline {{
  %a = shufflevector <16 x i32> %p, <16 x i32> poison, <8 x i32> <{even}>
  %b = shufflevector <16 x i32> %p, <16 x i32> poison, <8 x i32> <{odd}>
  %s = add <8 x i32> %a, %b
  ret <8 x i32> %s
}}
define internal <4 x i32> @fours(<8 x i32> %p) alwaysinline {{
  %a = shufflevector <8 x i32> %p, <8 x i32> poison, <4 x i32> <i32 0, i32 2, i32 4, i32 6>
  %b = shufflevector <8 x i32> %p, <8 x i32> poison, <4 x i32> <i32 1, i32 3, i32 5, i32 7>
  %s = add <4 x i32> %a, %b
  ret <4 x i32> %s
}}
define internal <4 x i32> @relaxed(<16 x i8> %a, <16 x i8> %b, <4 x i32> %c) alwaysinline {{
  %x = sext <16 x i8> %a to <16 x i32>
  %y = {extended} <16 x i8> %b to <16 x i32>
  %p = mul <16 x i32> %x, %y
  %w = call <8 x i32> @pairs(<16 x i32> %p)
  %l = call <8 x i32> @llvm.smin(<8 x i32> %w, <8 x i32> splat (i32 {most}))
  %t = call <8 x i32> @llvm.smax(<8 x i32> %l, <8 x i32> splat (i32 -{most}))
  %f = call <4 x i32> @fours(<8 x i32> %t)
  %s = add <4 x i32> %f, %c
  ret <4 x i32> %s
}}
define internal <4 x i32> @dot(<8 x i16> %a, <8 x i16> %b) alwaysinline {{
  %x = sext <8 x i16> %a to <8 x i32>
  %y = sext <8 x i16> %b to <8 x i32>
  %p = mul <8 x i32> %x, %y
  %s = call <4 x i32> @fours(<8 x i32> %p)
  ret <4 x i32> %s
}}
"""
INSTRUCTIONS = {"wasm.relaxed.dot.i8x16.i7x16.add.signed": "relaxed", "wasm.dot": "dot"}


class Text:
    """Functions in LLVM's language, where ``optimize`` expects a module."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@pytest.fixture(params=WAYS)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    extended, in_16_bits = WAYS[request.param]
    lanes = [", ".join(f"i32 {lane}" for lane in range(first, 16, 2)) for first in (0, 1)]
    most = 2**15 - 1 if in_16_bits else 2**30
    functions = FUNCTIONS.format(extended=extended, most=most, even=lanes[0], odd=lanes[1])
    optimize = _llvm.optimize

    def replaced(
        module: ir.Module, target: Target, machine: binding.TargetMachine
    ) -> binding.ModuleRef:
        declared = 'declare <4 x i32> @"llvm.wasm.'
        lines = str(module).splitlines()
        text = "\n".join(line for line in lines if not line.startswith(declared))
        for instruction, function in INSTRUCTIONS.items():
            text = text.replace(f'@"llvm.{instruction}"', f"@{function}")
        return optimize(Text(text + functions), target, machine)

    monkeypatch.setattr(_llvm, "optimize", replaced)
    for cached in (kernels.product_of, kernels.depthwise_of):
        cached.cache_clear()
    yield
    for cached in (kernels.product_of, kernels.depthwise_of):
        cached.cache_clear()


@pytest.mark.usefixtures("_way")
def test_products_are_exact_in_every_way() -> None:
    kernels.test_product(TARGET, "", 27, 58, 11)
    kernels.test_product_of_inputs_in_several_runs(TARGET, (0, 50, 11), 3)
    kernels.test_linear(TARGET)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("_way", ["vpmaddubsw"], indirect=True)
def test_depthwise_weights_need_not_fit_pairs() -> None:
    kernels.test_depthwise(TARGET, 3, 40)


@pytest.mark.parametrize("weight", [30, 127])
def test_a_page_has_the_same_weights_with_relaxed_simd_and_without(weight: int) -> None:
    network = small_network(int8=True)
    network.layers[3].weight[:, 0] = weight  # type: ignore[union-attr]  # a convolution
    network.layers[3].weight[:, 1] = weight  # type: ignore[union-attr]
    names = "wasm32", "wasm32-relaxed"
    modules = [build(network, TARGETS[name], (3, 24, 20), batches=False) for name in names]
    assert modules[0].constants.tobytes() == modules[1].constants.tobytes()
    instruction = str(modules[1].code).count('call <4 x i32> @"llvm.wasm.relaxed.dot')
    assert bool(instruction) == (weight == 30)
