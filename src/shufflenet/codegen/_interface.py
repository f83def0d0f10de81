"""The functions of a compiled network that C calls: they check what they are given, and compute."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from llvmlite import ir

from shufflenet.codegen._codes import MESSAGES, NO_CODE, Code
from shufflenet.codegen._module import Module
from shufflenet.codegen._texts import data, texts
from shufflenet.codegen.kernels import (
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    LINE_BYTES,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.spec import Label

__all__ = ["Facts", "Interface", "WorkingMemory"]

_VERSION = 1  # of the interface; raised when a caller of the one before would go wrong
_STAMP = ir.VectorType(INDEX, 2)
_NULL = ir.Constant(BYTES, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a compiled file states of its network, beside computing it.

    Attributes:
        labels: One for each class.
        card: The card as JSON.
        proof: More fields of what ``shufflenet_proof`` returns: an image and its logits.
    """

    labels: Sequence[Label]
    card: str
    proof: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """The places in the memory that a caller gives. A cache line with the stamp comes first.

    Attributes:
        arena: The byte at which the arena begins.
        logits: The byte at which the logits begin, padded to whole panels.
        end: The bytes of all.
    """

    arena: int
    logits: int
    end: int

    @classmethod
    def of(cls, module: Module) -> "WorkingMemory":
        """Return the places for a module."""
        logits = LINE_BYTES + _lines(module.arena_bytes)
        return cls(LINE_BYTES, logits, logits + _lines(4 * module.logits_pitch))


class Interface:
    """Writes the functions; ``compile`` writes the header that declares and describes them.

    Args:
        module: The network.
        facts: What is stated of it.
        prefix: The prefix of all names.
        address_bits: The bits of an address of the target.

    Attributes:
        code: The functions, which call those of the module.
        names: Their names.
        memory: The places in the working memory.
    """

    def __init__(self, module: Module, facts: Facts, prefix: str, address_bits: int) -> None:
        self.code = ir.Module()
        self.names: list[str] = []
        self.memory = WorkingMemory.of(module)
        self._module, self._facts, self._prefix = module, facts, prefix
        self._size = ir.IntType(address_bits)
        self._blocks = {
            "constants": data(self.code, "constants", module.constants),
            "tables": data(self.code, "tables", module.tables).bitcast(OFFSETS),
        }
        words = np.frombuffer(_digest(module, facts), np.uint64)[: _STAMP.count]
        self._stamp = ir.Constant(_STAMP, [int(word) for word in words])

    def write(self) -> None:
        """Write all functions."""
        self._write_prepare()
        images = {"logits_of_image": ("features", FLOATS)}
        if self._module.takes_pixels:
            images["logits"] = ("features_of_pixels", BYTES)
        for name, (features, kind) in images.items():
            f = self._begin(name, {"memory": BYTES, "image": kind, "logits": FLOATS})
            self._check_memory(f, "image", "logits")
            self._compute(f, features, f.arguments.image)
            self._copy_logits(f)
            self._return(f, Code.OK)
        self._write_top()
        self._write_texts()

    def _begin(self, name: str, types: Mapping[str, ir.Type], returns: ir.Type = INT32) -> Function:
        """Begin a function that C calls."""
        name = f"{self._prefix}_{name}"
        f = Function(self.code, name, types, ir.VectorType(FLOAT, 4), returns)
        self.names.append(name)
        if self._size.width == INDEX.width:  # calling conventions of some extend 32 bits to 64
            for each in (*f.function.args, f.function.return_value):
                if each.type == INT32:
                    each.add_attribute("signext")
        return f

    def _return(self, f: Function, code: Code) -> None:
        f.ret(_int(code))

    def _refuse(self, f: Function, condition: Value, code: Code) -> None:
        """Write a return of a code where a condition holds."""
        with f.if_then(condition):
            self._return(f, code)

    def _refuse_null(self, f: Function, *arguments: str) -> None:
        for name in arguments:
            pointer = vars(f.arguments)[name]
            null = f.icmp_unsigned("==", pointer, ir.Constant(pointer.type, None))
            self._refuse(f, null, Code.NULL_POINTER)

    def _refuse_misaligned(self, f: Function) -> None:
        address = f.ptrtoint(f.arguments.memory, self._size)
        beyond = f.and_(address, ir.Constant(self._size, LINE_BYTES - 1))
        misaligned = f.icmp_unsigned("!=", beyond, ir.Constant(self._size, 0))
        self._refuse(f, misaligned, Code.MEMORY_MISALIGNED)

    def _check_memory(self, f: Function, *pointers: str) -> None:
        """Write the checks of prepared memory, and that other pointers are not null."""
        self._refuse_null(f, "memory", *pointers)
        self._refuse_misaligned(f)
        found = f.load_vector(f.arguments.memory, _STAMP)
        differs = f.icmp_unsigned("!=", found, self._stamp)
        lanes = [f.extract_element(differs, _int(n)) for n in range(_STAMP.count)]
        self._refuse(f, f.or_(*lanes), Code.MEMORY_NOT_PREPARED)

    def _call(self, f: Function, name: str, **arguments: Value) -> None:
        """Write a call of a function of the module, with the blocks that it takes."""
        declared = self.code.globals.get(name)
        kinds = [argument.type for argument in arguments.values()]
        kind = ir.FunctionType(ir.VoidType(), kinds)
        f.call(declared or ir.Function(self.code, kind, name), arguments.values())

    def _write_prepare(self) -> None:
        f = self._begin("prepare", {"memory": BYTES, "bytes": self._size})
        self._refuse_null(f, "memory")
        self._refuse_misaligned(f)
        needed = ir.Constant(self._size, self.memory.end)
        too_small = f.icmp_unsigned("<", f.arguments.bytes, needed)
        self._refuse(f, too_small, Code.MEMORY_TOO_SMALL)
        self._call(f, "prepare", arena=f.at(f.arguments.memory, self.memory.arena))
        f.store_vector(self._stamp, f.arguments.memory)
        self._return(f, Code.OK)

    def _compute(self, f: Function, features: str, image: Value) -> None:
        """Write what computes the logits of an image into the working memory."""
        memory, module = f.arguments.memory, self._module
        arena = f.at(memory, self.memory.arena)
        self._call(f, features, arena=arena, **self._blocks, image=image)
        place = f.at(arena, module.features_at)
        if module.dtype == np.float32:
            place = f.bitcast(place, FLOATS)
        logits = self._padded_logits(f)
        self._call(f, "logits", features=place, **self._blocks, logits=logits, images=index(1))

    def _padded_logits(self, f: Function) -> Value:
        return f.bitcast(f.at(f.arguments.memory, self.memory.logits), FLOATS)

    def _copy_logits(self, f: Function) -> None:
        logits = self._padded_logits(f)
        with f.loop(index(self._module.classes)) as number:
            f.store(f.load(f.at(logits, number)), f.at(f.arguments.logits, number))

    def _write_top(self) -> None:
        """Write the choice of the k largest values: each the first below the one before.

        It takes no memory, and k passes over the values. A NaN counts as minus infinity.
        """
        f = self._begin("top", {"values": FLOATS, "k": INT32, "classes": OFFSETS})
        a, classes = f.arguments, _int(self._module.classes)
        self._refuse_null(f, "values", "classes")
        # As an unsigned number, a negative one is large.
        k = f.sub(a.k, _int(1))
        self._refuse(f, f.icmp_unsigned(">=", k, classes), Code.BAD_COUNT)
        lowest, infinity = ir.Constant(FLOAT, -np.inf), ir.Constant(FLOAT, np.inf)
        last, last_class = f.variable(FLOAT), f.variable(INT32)
        best, best_class = f.variable(FLOAT), f.variable(INT32)
        f.store(infinity, last)
        f.store(_int(-1), last_class)
        with f.loop(f.sext(a.k, INDEX)) as rank:
            f.store(lowest, best)
            f.store(_int(-1), best_class)
            with f.loop(f.sext(classes, INDEX)) as number:
                this = f.trunc(number, INT32)
                value = f.load(f.at(a.values, number))
                value = f.select(f.fcmp_unordered("uno", value, value), lowest, value)
                is_left = f.or_(
                    f.fcmp_ordered("<", value, f.load(last)),
                    f.and_(
                        f.fcmp_ordered("==", value, f.load(last)),
                        f.icmp_signed(">", this, f.load(last_class)),
                    ),
                )
                is_first = f.icmp_signed("<", f.load(best_class), _int(0))
                is_better = f.or_(is_first, f.fcmp_ordered(">", value, f.load(best)))
                takes = f.and_(is_left, is_better)
                f.store(f.select(takes, value, f.load(best)), best)
                f.store(f.select(takes, this, f.load(best_class)), best_class)
            f.store(f.load(best), last)
            f.store(f.load(best_class), last_class)
            f.store(f.load(best_class), f.at(a.classes, rank))
        self._return(f, Code.OK)

    def _write_texts(self) -> None:
        """Write the functions that return texts."""
        facts, number = self._facts, {"number": INT32}
        upper = self._prefix.upper()
        sentences = [MESSAGES[code].replace("{P}", upper) for code in sorted(MESSAGES)]
        for name, each in (
            ("label", [label.name for label in facts.labels]),
            ("label_id", [label.id for label in facts.labels]),
        ):
            f = self._begin(name, number, BYTES)
            with f.if_then(f.icmp_unsigned(">=", f.arguments.number, _int(len(each)))):
                f.ret(_NULL)
            f.ret(texts(f, name, each, f.zext(f.arguments.number, INDEX)))
        f = self._begin("message", number, BYTES)
        is_code = f.icmp_unsigned("<", f.arguments.number, _int(len(sentences)))
        which = f.select(is_code, f.arguments.number, _int(len(sentences)))
        f.ret(texts(f, "message", [*sentences, NO_CODE], f.zext(which, INDEX)))
        for name, text in (("card", facts.card), ("proof", json.dumps(self._proof()))):
            f = self._begin(name, {}, BYTES)
            f.ret(texts(f, name, [text], index(0)))

    def _proof(self) -> dict[str, object]:
        channels, height, width = self._module.shape
        return {
            "interface": _VERSION,
            "channels": channels,
            "height": height,
            "width": width,
            "classes": self._module.classes,
            "memory_bytes": self.memory.end,
            "memory_alignment": LINE_BYTES,
            **self._facts.proof,
        }


def _digest(module: Module, facts: Facts) -> bytes:
    """Return what distinguishes a compiled network from every other."""
    digest = hashlib.sha256(repr((module.shape, module.arena_bytes, module.target)).encode())
    for part in (facts.card.encode(), module.constants.tobytes(), module.tables.tobytes()):
        digest.update(part)
    return digest.digest()


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)


def _lines(size: int) -> int:
    """Return a number of bytes, rounded up to whole cache lines."""
    return -(-size // LINE_BYTES) * LINE_BYTES
