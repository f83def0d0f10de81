"""LLVM set up for a target, and functions optimized for it."""

import re

from llvmlite import binding, ir

from shufflenet.spec import Target

__all__ = ["address_bits", "has_doubles", "optimize", "prepare_to_join", "run_on", "target_machine"]


def target_machine(target: Target, *, jit: bool) -> binding.TargetMachine:
    """Return LLVM's machine for a target: for code to be run here, or to be linked elsewhere."""
    if jit:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        binding.initialize_native_asmparser()  # for what kernels have as text
    else:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
        binding.initialize_native_asmparser()
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=3,
        reloc="default" if jit else "static" if target.triple.startswith("wasm") else "pic",
        codemodel="jitdefault" if jit else "default",
        abiname=target.abi,
    )


def address_bits(machine: binding.TargetMachine) -> int:
    """Return the bits of an address, which are those of C's ``size_t``."""
    # Source: llvm.org/docs/LangRef.html#data-layout; 64 where nothing is said.
    layout = re.search(r"(?:^|-)p:(\d+)", str(machine.target_data))
    return int(layout.group(1)) if layout else 64


def has_doubles(machine: binding.TargetMachine) -> bool:
    """Whether a machine computes float64 by instructions, rather than by functions of a library."""
    probe = ir.Module()
    double = ir.DoubleType()
    f = ir.IRBuilder(
        ir.Function(probe, ir.FunctionType(double, [double]), "probe").append_basic_block()
    )
    (number,) = f.function.args
    f.ret(f.fmul(number, number))
    code = binding.parse_assembly(str(probe))
    code.triple, code.data_layout = machine.triple, str(machine.target_data)
    # LLVM's name of the function, or that of ARM's standard.
    return not re.search(r"__(muldf3|aeabi_dmul)\b", machine.emit_assembly(code))


def prepare_to_join(functions: ir.Module, target: Target) -> None:
    """Have functions state their processor, and constants no address, to lie beside others."""
    for function in functions.functions:
        if not function.is_declaration:
            run_on(function, target)
    for each in functions.global_values:
        if isinstance(each, ir.GlobalVariable):
            each.unnamed_addr = True  # equal ones are merged


def run_on(function: ir.Function, target: Target) -> None:
    """Have a function compiled for a target, whatever the others of its module are for."""
    for name, value in (("cpu", target.cpu), ("features", target.features)):
        if value or name == "features":  # without, the module's count
            set.add(function.attributes, f'"target-{name}"="{value}"')  # llvmlite knows none such


def optimize(
    functions: ir.Module,
    target: Target,
    machine: binding.TargetMachine,
    *,
    freestanding: bool = False,
) -> binding.ModuleRef:
    """Return functions that are optimized for a target and its machine.

    Args:
        functions: What LLVM has not seen yet.
        target: The target.
        machine: LLVM's machine for it.
        freestanding: Whether there is no C library, of which loops could become calls.
    """
    if freestanding:
        for function in functions.functions:
            if not function.is_declaration:
                function.attributes.add("nounwind")  # else ARM's tables name a function of C++
                set.add(function.attributes, '"no-builtins"')  # llvmlite knows no such attributes
    code = binding.parse_assembly(str(functions))
    code.triple = target.triple
    code.data_layout = str(machine.target_data)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # what pays is unrolled already
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(code, passes)
    return code
