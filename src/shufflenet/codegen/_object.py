"""A module as a relocatable object file, constants included, to be linked elsewhere."""

from llvmlite import binding, ir

from shufflenet.codegen._llvm import optimize, target_machine
from shufflenet.codegen._module import Module
from shufflenet.codegen.kernels import LINE_BYTES, Array

__all__ = ["object_file"]

_BYTE, _INDEX = ir.IntType(8), ir.IntType(64)
_ADDRESS = _BYTE.as_pointer()


def object_file(module: Module, prefix: str = "shufflenet") -> bytes:
    """Return the content of an object file of the target: ELF, Mach-O, COFF or WebAssembly.

    It defines, in C::

        extern const int64_t shufflenet_arena_bytes;    // size of an arena; align it to 64 bytes
        extern const int64_t shufflenet_logits_length;  // classes, padded: floats of `logits`
        void shufflenet_prepare(void *arena);           // once, before an arena is used
        void shufflenet_run(void *arena, const float *image, float *logits);
        void shufflenet_run_pixels(void *arena, const uint8_t *pixels, float *logits);

    The last is defined only if the module takes pixels. Several threads may call the functions at
    once, each with its own arena.

    Args:
        module: The network.
        prefix: The prefix of all names, instead of ``shufflenet``.
    """
    machine = target_machine(module.target, jit=False)
    code = optimize(module.code, module.target, machine)
    entries = binding.parse_assembly(str(_entries(module, prefix)))
    entries.triple, entries.data_layout = code.triple, code.data_layout
    code.link_in(entries)
    for function in code.functions:
        if not function.is_declaration and not function.name.startswith(prefix):
            function.linkage = "internal"
    code.verify()
    content: bytes = machine.emit_object(code)
    return content


def _entries(module: Module, prefix: str) -> ir.Module:
    """Return the functions that an object defines, which call those of the module."""
    entries = ir.Module()
    constants = _data(entries, f"{prefix}_constants", module.constants)
    tables = _data(entries, f"{prefix}_tables", module.tables)
    blocks = [constants, tables]
    _number(entries, f"{prefix}_arena_bytes", module.arena_bytes)
    _number(entries, f"{prefix}_logits_length", module.logits_pitch)
    prepare = _declare(entries, "prepare", [_ADDRESS])
    f = _define(entries, f"{prefix}_prepare", [_ADDRESS])
    f.call(prepare, f.function.args)
    f.ret_void()
    logits_of = _declare(entries, "logits", [*[_ADDRESS] * 4, _INDEX])
    names = [("run", "features"), ("run_pixels", "features_of_pixels")]
    for name, features in names[: 2 if module.takes_pixels else 1]:
        features_of = _declare(entries, features, [_ADDRESS] * 4)
        f = _define(entries, f"{prefix}_{name}", [_ADDRESS] * 3)
        arena, image, logits = f.function.args
        f.call(features_of, [arena, *blocks, image])
        at = f.gep(arena, [ir.Constant(_INDEX, module.features_at)])
        f.call(logits_of, [at, *blocks, logits, ir.Constant(_INDEX, 1)])
        f.ret_void()
    return entries


def _data(entries: ir.Module, name: str, values: Array) -> ir.Value:
    """Define constant bytes of any array, and return a pointer to them."""
    kind = ir.ArrayType(_BYTE, values.nbytes)
    data = ir.GlobalVariable(entries, kind, name)
    # Formatted here, for llvmlite formats byte by byte.
    text = values.astype(values.dtype.newbyteorder("<")).tobytes().hex("\\")
    data.initializer = ir.FormattedConstant(kind, f'c"\\{text}"')
    data.global_constant, data.linkage, data.align = True, "internal", LINE_BYTES
    return data.bitcast(_ADDRESS)


def _number(entries: ir.Module, name: str, value: int) -> None:
    number = ir.GlobalVariable(entries, _INDEX, name)
    number.initializer, number.global_constant = ir.Constant(_INDEX, value), True


def _declare(entries: ir.Module, name: str, types: list[ir.Type]) -> ir.Function:
    return ir.Function(entries, ir.FunctionType(ir.VoidType(), types), name)


def _define(entries: ir.Module, name: str, types: list[ir.Type]) -> ir.IRBuilder:
    return ir.IRBuilder(_declare(entries, name, types).append_basic_block())
