"""LLVM set up for a target, and functions optimized for it."""

from llvmlite import binding, ir

from shufflenet.spec import Target

__all__ = ["optimize", "target_machine"]


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
        reloc="default" if jit else "pic",
        codemodel="jitdefault" if jit else "default",
        abiname=target.abi,
    )


def optimize(
    functions: ir.Module, target: Target, machine: binding.TargetMachine
) -> binding.ModuleRef:
    """Return functions that are optimized for a target and its machine."""
    code = binding.parse_assembly(str(functions))
    code.triple = target.triple
    code.data_layout = str(machine.target_data)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # what pays is unrolled already
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(code, passes)
    return code
