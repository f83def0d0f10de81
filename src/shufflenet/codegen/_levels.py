"""One object for several levels of a processor, of which the one at hand is chosen when it runs."""

from collections.abc import Sequence
from dataclasses import replace

from llvmlite import binding, ir

from shufflenet.codegen._interface import WEIGHTS, Facts, Interface
from shufflenet.codegen._llvm import optimize, target_machine
from shufflenet.codegen._module import Module
from shufflenet.codegen._object import ObjectFile, WeightType, hide_others, interface_of, linked
from shufflenet.codegen._processor import write_level
from shufflenet.codegen.kernels import FLOAT, INT32, LINE_BYTES, Function, Value
from shufflenet.spec import Target

__all__ = ["object_of_levels"]

_VECTOR = ir.VectorType(FLOAT, 4)


def object_of_levels(
    modules: Sequence[Module],
    facts: Facts,
    prefix: str = "shufflenet",
    *,
    weights: WeightType = "float32",
) -> ObjectFile:
    """Return an object file that holds the code of several levels, and chooses one when it runs.

    It defines the same functions as ``object_file``. ``prepare`` asks the processor. The stamp that
    it leaves in the working memory differs between levels, so that it leads the other functions.
    Levels that read weights alike share them.

    Args:
        modules: One network, built for several targets of ``x86-64``, of one system; the first runs
            on every processor, and each later one is faster than those before.
        facts: What the file states of it.
        prefix: The prefix of all names.
        weights: How float32 weights are stored (see ``object_file``).
    """
    interfaces = [interface_of(module, facts, prefix, weights) for module in modules]
    memory_bytes = max(interface.memory.end for interface in interfaces)
    for interface in interfaces:
        interface.memory = replace(interface.memory, end=memory_bytes)
        interface.write(asks_processor=False)
    code = _joined(modules, interfaces)
    entries = _entries(interfaces, [module.target for module in modules], prefix)
    machine = target_machine(modules[0].target, jit=False)
    code.link_in(optimize(entries, modules[0].target, machine, freestanding=True))
    hide_others(code, interfaces[0].names)
    _remove_unused(code, machine)
    code.verify()
    return ObjectFile(
        content=machine.emit_object(code),
        names=tuple(interfaces[0].names),
        memory_bytes=memory_bytes,
        alignment=LINE_BYTES,
        weights_bytes=_weights_bytes(code, machine),
    )


def _joined(modules: Sequence[Module], interfaces: Sequence[Interface]) -> binding.ModuleRef:
    """Return the code of all levels."""
    code, *others = (
        _level(module, interface, number)
        for number, (module, interface) in enumerate(zip(modules, interfaces, strict=True))
    )
    for other in others:
        code.link_in(other)
    return code


def _level(module: Module, interface: Interface, number: int) -> binding.ModuleRef:
    """Return the code of a level, whose functions end in its number."""
    code = linked(module, interface, beside_others=True)
    for function in code.functions:
        if function.name in interface.names:
            function.name = _name(function.name, number)
    return code


def _entries(interfaces: Sequence[Interface], targets: Sequence[Target], prefix: str) -> ir.Module:
    """Return the functions that C calls, each of which calls that of a level."""
    entries = ir.Module()
    for function in interfaces[0].code.functions:
        if function.name in interfaces[0].names:
            f = _begin(entries, function)
            if function.name == f"{prefix}_prepare":
                level = write_level(f, targets)
            else:
                level = _level_of_memory(f, interfaces)
            _lead(f, level, len(targets))
    return entries


def _begin(entries: ir.Module, function: ir.Function) -> Function:
    """Begin a function that C calls, with the arguments of a level's."""
    types = {argument.name: argument.type for argument in function.args}
    f = Function(entries, function.name, types, _VECTOR, function.function_type.return_type)
    _extend(f.function)
    return f


def _level_of_memory(f: Function, interfaces: Sequence[Interface]) -> Value:
    """Write what returns the level by which memory was prepared; the first, if by none.

    The first level's functions tell what is wrong then, and runs on every processor.
    """
    level = _int(0)
    if "memory" not in vars(f.arguments):
        return level
    memory, before = f.arguments.memory, f.block
    with f.if_then(f.icmp_unsigned("!=", memory, ir.Constant(memory.type, None))):
        for number, interface in enumerate(interfaces):
            found = f.load_vector(memory, interface.stamp.type)
            same = f.icmp_unsigned("==", found, interface.stamp)
            lanes = [f.extract_element(same, _int(n)) for n in range(same.type.count)]
            level = f.select(f.and_(*lanes), _int(number), level)
        after = f.block
    both = f.phi(INT32)
    both.add_incoming(_int(0), before)
    both.add_incoming(level, after)
    return both


def _lead(f: Function, level: Value, count: int) -> None:
    """Write the call of a level's function, whose result is returned."""
    for number in range(1, count):
        with f.if_then(f.icmp_unsigned("==", level, _int(number))):
            f.ret(_call(f, number))
    f.ret(_call(f, 0))


def _call(f: Function, number: int) -> Value:
    """Write the call of a level's function of the same name, with the same arguments."""
    kind, name = f.function.function_type, _name(f.function.name, number)
    function = ir.Function(f.module, kind, name)
    _extend(function)
    return f.call(function, f.function.args)


def _extend(function: ir.Function) -> None:
    """Have 32 bits extended to 64 where they are passed, as ``Interface`` has."""
    for each in (*function.args, function.return_value):
        if each.type == INT32:
            each.add_attribute("signext")


def _name(name: str, number: int) -> str:
    return f"{name}.{number}"


def _remove_unused(code: binding.ModuleRef, machine: binding.TargetMachine) -> None:
    """Remove functions that nothing calls, and all but one of equal constants.

    Texts are those of the first level; weights are shared by levels that read them alike.
    """
    passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options())
    manager = binding.create_new_module_pass_manager()
    manager.add_global_dead_code_eliminate_pass()
    manager.add_constant_merge_pass()
    manager.run(code, passes)


def _weights_bytes(code: binding.ModuleRef, machine: binding.TargetMachine) -> int:
    """Return the bytes of weights and tables that are left."""
    return sum(
        machine.target_data.get_abi_size(each.global_value_type)
        for each in code.global_variables
        if each.name.startswith(WEIGHTS)
    )


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)
