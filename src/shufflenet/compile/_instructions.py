"""Which instructions a processor of LLVM's has, seen in what LLVM makes of small functions."""

from dataclasses import replace

from llvmlite import binding

from shufflenet.spec import ByteMultiply, Target

__all__ = ["with_instructions"]

_ADD = """
define void @add(ptr %p, ptr %q) {{
  %a = load {vector}, ptr %p
  %b = load {vector}, ptr %q
  %c = {add} {vector} %a, %b
  store {vector} %c, ptr %p
  ret void
}}
"""
_FOUR_FLOATS = _ADD.format(vector="<4 x float>", add="fadd")
# Fused where the processor can.
_MULTIPLY_ADD = """
define <4 x float> @multiply_add(<4 x float> %a, <4 x float> %b, <4 x float> %c) {
  %d = call contract <4 x float> @llvm.fmuladd(<4 x float> %a, <4 x float> %b, <4 x float> %c)
  ret <4 x float> %d
}
"""
# A product of halves of words, which processors multiply that multiply both halves, too.
_SHORTS = """
define i32 @product(i32 %sum, i16 %a, i16 %b) {
  %x = sext i16 %a to i32
  %y = sext i16 %b to i32
  %z = mul i32 %x, %y
  %s = add i32 %sum, %z
  ret i32 %s
}
"""
# Eight products of bytes.
_BYTES = """
define <8 x i16> @products(<8 x i8> %a, <8 x i8> %b) {
  %x = sext <8 x i8> %a to <8 x i16>
  %y = sext <8 x i8> %b to <8 x i16>
  %z = mul <8 x i16> %x, %y
  ret <8 x i16> %z
}
"""
# A sum of products of bytes, as one instruction of VNNI.
_REDUCE = """
define i32 @reduce(ptr %p, ptr %q) {
  %a = load <32 x i8>, ptr %p
  %b = load <32 x i8>, ptr %q
  %x = zext <32 x i8> %a to <32 x i32>
  %y = sext <32 x i8> %b to <32 x i32>
  %z = mul <32 x i32> %x, %y
  %s = call i32 @llvm.vector.reduce.add(<32 x i32> %z)
  ret i32 %s
}
"""
# Likewise of ARM's dotprod, and where the second bytes have a sign, of its i8mm.
_DOT = """
define <4 x i32> @dot(<4 x i32> %sum, <16 x i8> %a, <16 x i8> %b) {{
  %x = zext <16 x i8> %a to <16 x i32>
  %y = {extended} <16 x i8> %b to <16 x i32>
  %z = mul <16 x i32> %x, %y
  %s = call <4 x i32> @llvm.vector.partial.reduce.add(<4 x i32> %sum, <16 x i32> %z)
  ret <4 x i32> %s
}}
"""


def with_instructions(target: Target) -> Target:
    """Return a target with the vectors and multiplies of bytes that its processor has."""
    binding.initialize_all_targets()
    by: ByteMultiply
    match binding.Target.from_triple(target.triple).name:
        case "x86-64":
            return _with_x86(target)
        case "aarch64":
            return replace(target, registers=32, multiplies_bytes=_neon(target))
        case "arm" | "thumb" if "vadd.f32\tq" in _assembly(target, _FOUR_FLOATS):
            # Microcontrollers with vectors have others than NEON.
            by = "NEON" if "vmull.s8\tq" in _assembly(target, _BYTES) else "portable"
            return replace(target, multiplies_bytes=by)
        case "arm" | "thumb":
            by = "SMLAD" if "smlabb" in _assembly(target, _SHORTS) else "portable"
            return replace(target, vector_bytes=4, registers=32, multiplies_bytes=by)
        case "riscv32" | "riscv64":
            if "vfadd.vv" in _assembly(target, _FOUR_FLOATS):
                return replace(target, registers=32, multiplies_bytes="RVV")
            return replace(target, vector_bytes=4, registers=32)
        case "wasm32" if "f32x4.add" in _assembly(target, _FOUR_FLOATS):
            is_relaxed = "f32x4.relaxed_madd" in _assembly(target, _MULTIPLY_ADD)
            by = "WebAssembly relaxed SIMD" if is_relaxed else "WebAssembly SIMD"
            return replace(target, multiplies_bytes=by)
        case "wasm32":
            return replace(target, vector_bytes=4, registers=32)
        case _:
            return target


def _with_x86(target: Target) -> Target:
    if "zmm" in _assembly(target, _ADD.format(vector="<16 x float>", add="fadd")):
        vector_bytes, registers = 64, 32
    else:
        has_avx = "ymm" in _assembly(target, _ADD.format(vector="<8 x float>", add="fadd"))
        vector_bytes, registers = 32 if has_avx else 16, 16
    multiplies: ByteMultiply = "portable"
    if "ymm" in _assembly(target, _ADD.format(vector="<32 x i8>", add="add")):
        multiplies = "AVX2"
        if "vpdpbusd" in _assembly(target, _REDUCE):
            multiplies = "AVX-512 VNNI" if vector_bytes == 64 else "AVX-VNNI"
    return replace(
        target, vector_bytes=vector_bytes, registers=registers, multiplies_bytes=multiplies
    )


def _neon(target: Target) -> ByteMultiply:
    if "usdot" in _assembly(target, _DOT.format(extended="sext")):
        return "NEON i8mm"
    return "NEON dotprod" if "udot" in _assembly(target, _DOT.format(extended="zext")) else "NEON"


def _assembly(target: Target, functions: str) -> str:
    """Return what LLVM makes of functions, as text."""
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2
    )
    code = binding.parse_assembly(functions)
    code.triple, code.data_layout = target.triple, str(machine.target_data)
    text: str = machine.emit_assembly(code)
    return text
