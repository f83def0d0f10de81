"""The functions of a compiled network that C calls: they check what they are given, and compute."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from llvmlite import binding, ir

from shufflenet.codegen._codes import MESSAGES, NO_CODE, Code
from shufflenet.codegen._halves import Halves
from shufflenet.codegen._llvm import address_bits, has_doubles, run_on
from shufflenet.codegen._module import Module
from shufflenet.codegen._processor import can_ask, write_lacks
from shufflenet.codegen._texts import data, texts
from shufflenet.codegen._working_memory import WorkingMemory
from shufflenet.codegen.kernels import (
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    LINE_BYTES,
    OFFSETS,
    Function,
    Library,
    Resize,
    Value,
    expand_halves,
    index,
    multiplies_wrongly,
    photo_bytes,
    sigmoid,
    softmax,
    top,
    uses_relaxed_dots,
)
from shufflenet.errors import SpecError
from shufflenet.spec import Label, Preprocess, Task

__all__ = ["WEIGHTS", "Facts", "Interface"]

WEIGHTS = ("constants", "tables", "runs")  # what the names of weights and tables begin with

_VERSION = 1  # of the interface; raised when a caller of the one before would go wrong
_STAMP = ir.VectorType(INDEX, 2)
_NULL = ir.Constant(BYTES, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a compiled file states of its network, beside computing it, and how it reads photos.

    Attributes:
        labels: One for each class.
        card: The card as JSON.
        task: What the network answers, which says how its logits become probabilities.
        proof: More fields of what the function ``proof`` returns: an image and its logits.
        preprocess: How photos become images; it counts only if the module takes pixels, and photos
            can be resized in that way, see ``photo_bytes``.
        most_source_px: The longest side of a photo.
    """

    labels: Sequence[Label]
    card: str
    task: Task = "classification"
    proof: Mapping[str, object] = field(default_factory=dict)
    preprocess: Preprocess | None = None
    most_source_px: int = 8192


class Interface:
    """Writes the functions; ``compile`` writes the header that declares and describes them.

    Args:
        module: The network.
        facts: What is stated of it.
        prefix: The prefix of all names.
        machine: LLVM's machine for the target.
        halves: The constants as float16, which are expanded into the working memory; without, they
            are stored as they are, and read in place.

    Attributes:
        code: The functions, which call those of the module.
        names: Their names.
        memory: The places in the working memory.
        weights_bytes: The bytes of weights and tables.
        stamp: What ``prepare`` writes first, by which prepared memory is known.

    Raises:
        SpecError: photos become images of another size than the module's.
    """

    def __init__(
        self,
        module: Module,
        facts: Facts,
        prefix: str,
        machine: binding.TargetMachine,
        halves: Halves | None = None,
    ) -> None:
        self.code = ir.Module()
        self.names: list[str] = []
        self._module, self._facts, self._prefix = module, facts, prefix
        self._library = Library(self.code, FLOAT, 4)
        self._resize = Resize(self._library, has_doubles=has_doubles(machine))
        self._size = ir.IntType(address_bits(machine))
        how = facts.preprocess if module.takes_pixels else None
        self._of_photos = how if how is not None and photo_bytes(how) else None
        if self._of_photos is not None and self._of_photos.size_px != module.shape[1:]:
            raise SpecError("crop_px", self._of_photos.crop_px, f"{module.shape[1:]}, as compiled")
        self._halves = halves
        expanded_bytes = module.constants.nbytes if halves else 0
        self.memory = WorkingMemory.of(module, self._scratch_bytes(), expanded_bytes)
        stored = halves.stored if halves else module.constants
        self._constants = data(self.code, "constants", stored)
        self._tables = data(self.code, "tables", module.tables).bitcast(OFFSETS)
        weights_bytes = halves.nbytes if halves else module.constants.nbytes
        self.weights_bytes = weights_bytes + module.tables.nbytes
        words = np.frombuffer(_digest(module, facts.card, self.memory), np.uint64)[: _STAMP.count]
        self.stamp = ir.Constant(_STAMP, [int(word) for word in words])

    def _scratch_bytes(self) -> int | None:
        if self._of_photos is None:
            return None
        return self._resize.scratch_bytes(self._of_photos, self._facts.most_source_px)

    def write(self, *, asks_processor: bool = True) -> None:
        """Write all functions, in the order of the header.

        Args:
            asks_processor: Whether ``prepare`` asks if the processor has what the code may use.
        """
        target = self._module.target
        asks_processor = asks_processor and can_ask(target)
        self._write_prepare(asks_processor=asks_processor)
        images = {"logits_of_image": ("features", FLOATS)}
        if self._of_photos is not None:
            self._write_photos(self._of_photos)
        if self._module.takes_pixels:
            images = {"logits": ("features_of_pixels", BYTES), **images}
        for name, (features, kind) in images.items():
            f = self._begin(name, {"memory": BYTES, "image": kind, "logits": FLOATS})
            self._check_memory(f, "image", "logits")
            self._compute(f, features, f.arguments.image)
            self._copy_logits(f)
            self._return(f, Code.OK)
        self._write_top()
        self._write_texts()
        if asks_processor:  # they call what computes, and themselves return a code everywhere
            for name in self.names:
                run_on(self.code.get_global(name), replace(target, cpu="x86-64", features=""))

    def _begin(self, name: str, types: Mapping[str, ir.Type], returns: ir.Type = INT32) -> Function:
        """Begin a function that C calls."""
        name = f"{self._prefix}_{name}"
        f = Function(self.code, name, types, self._library.vector, returns)
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
        differs = f.icmp_unsigned("!=", found, self.stamp)
        lanes = [f.extract_element(differs, _int(n)) for n in range(_STAMP.count)]
        self._refuse(f, f.or_(*lanes), Code.MEMORY_NOT_PREPARED)

    def _call(self, f: Function, name: str, **arguments: Value) -> None:
        """Write a call of a function of the module."""
        declared = self.code.globals.get(name)
        kinds = [argument.type for argument in arguments.values()]
        kind = ir.FunctionType(ir.VoidType(), kinds)
        f.call(declared or ir.Function(self.code, kind, name), arguments.values())

    def _write_prepare(self, *, asks_processor: bool) -> None:
        f = self._begin("prepare", {"memory": BYTES, "bytes": self._size})
        self._refuse_null(f, "memory")
        self._refuse_misaligned(f)
        needed = ir.Constant(self._size, self.memory.end)
        too_small = f.icmp_unsigned("<", f.arguments.bytes, needed)
        self._refuse(f, too_small, Code.MEMORY_TOO_SMALL)
        if asks_processor:
            lacks = write_lacks(f, self._module.target)
            self._refuse(f, lacks, Code.UNSUPPORTED_PROCESSOR)
        if uses_relaxed_dots(self._module.code):
            self._refuse(f, multiplies_wrongly(f), Code.UNSUPPORTED_PROCESSOR)
        self._call(f, "prepare", arena=f.at(f.arguments.memory, self.memory.arena))
        if self._halves is not None:
            runs = data(self.code, "runs", self._halves.runs).bitcast(OFFSETS)
            expand_halves(self._library).call(
                f,
                stored=self._constants,
                runs=runs,
                pairs=len(self._halves.runs) // 2,
                output=f.at(f.arguments.memory, self.memory.constants),
            )
        f.store_vector(self.stamp, f.arguments.memory)
        self._return(f, Code.OK)

    def _compute(self, f: Function, features: str, image: Value) -> None:
        """Write what computes the logits of an image into the working memory."""
        memory, module = f.arguments.memory, self._module
        arena = f.at(memory, self.memory.arena)
        constants = f.at(memory, self.memory.constants) if self._halves else self._constants
        blocks = {"constants": constants, "tables": self._tables}
        self._call(f, features, arena=arena, **blocks, image=image)
        place = f.at(arena, module.features_at)
        if module.dtype == np.float32:
            place = f.bitcast(place, FLOATS)
        logits = self._padded_logits(f)
        self._call(f, "logits", features=place, **blocks, logits=logits, images=index(1))

    def _padded_logits(self, f: Function) -> Value:
        return f.bitcast(f.at(f.arguments.memory, self.memory.logits), FLOATS)

    def _copy_logits(self, f: Function) -> None:
        logits = self._padded_logits(f)
        with f.loop(index(self._module.classes)) as number:
            f.store(f.load(f.at(logits, number)), f.at(f.arguments.logits, number))

    def _write_photos(self, how: Preprocess) -> None:
        """Write the functions that resize photos, and classify them."""
        resize = self._resize.kernel(how, self._facts.most_source_px)
        photo = {"memory": BYTES, "pixels": BYTES, "width": INT32, "height": INT32}
        photo |= {"row_bytes": self._size, "pixel_bytes": INT32}
        for name, output, kind in (
            ("classify", "probabilities", FLOATS),
            ("resize", "cropped", BYTES),
        ):
            f = self._begin(name, {**photo, output: kind})
            self._check_memory(f, "pixels", output)
            self._check_photo(f, photo_bytes(how))
            a = f.arguments
            cropped = a.cropped if name == "resize" else f.at(a.memory, self.memory.cropped)
            sides = {side: f.sext(vars(a)[side], INDEX) for side in ("width", "height")}
            resize.call(
                f,
                pixels=a.pixels,
                row_bytes=self._index(f, a.row_bytes),
                pixel_bytes=f.sext(a.pixel_bytes, INDEX),
                **sides,
                scratch=f.at(a.memory, self.memory.scratch),
                output=cropped,
            )
            if name == "classify":
                self._compute(f, "features_of_pixels", cropped)
                kernel = sigmoid if self._facts.task == "multi-label" else softmax
                kernel(self._library).call(
                    f,
                    logits=self._padded_logits(f),
                    count=self._module.classes,
                    probabilities=a.probabilities,
                )
            self._return(f, Code.OK)

    def _check_photo(self, f: Function, pixel_bytes: Sequence[int]) -> None:
        a, most = f.arguments, self._facts.most_source_px
        for side in (a.width, a.height):  # as an unsigned number, a negative one is large
            beyond = f.icmp_unsigned(">=", f.sub(side, _int(1)), _int(most))
            self._refuse(f, beyond, Code.BAD_IMAGE_SIZE)
        least, most_bytes = min(pixel_bytes), max(pixel_bytes)
        beyond = f.sub(a.pixel_bytes, _int(least))
        other = f.icmp_unsigned(">", beyond, _int(most_bytes - least))
        self._refuse(f, other, Code.BAD_STRIDE)
        pitch, zero = a.row_bytes, ir.Constant(self._size, 0)
        pitch = f.select(f.icmp_signed("<", pitch, zero), f.sub(zero, pitch), pitch)
        row = f.mul(a.width, a.pixel_bytes)
        row = row if self._size == INT32 else f.zext(row, self._size)
        self._refuse(f, f.icmp_unsigned("<", pitch, row), Code.BAD_STRIDE)

    def _index(self, f: Function, value: Value) -> Value:
        return value if self._size == INDEX else f.sext(value, INDEX)

    def _write_top(self) -> None:
        f = self._begin("top", {"values": FLOATS, "k": INT32, "classes": OFFSETS})
        a, classes = f.arguments, self._module.classes
        self._refuse_null(f, "values", "classes")
        # As an unsigned number, a negative one is large.
        beyond = f.icmp_unsigned(">=", f.sub(a.k, _int(1)), _int(classes))
        self._refuse(f, beyond, Code.BAD_COUNT)
        k = f.sext(a.k, INDEX)
        top(self._library).call(f, values=a.values, count=classes, k=k, numbers=a.classes)
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
            "most_source_px": self._facts.most_source_px if self._of_photos else 0,
            **self._facts.proof,
        }


def _digest(module: Module, card: str, memory: WorkingMemory) -> bytes:
    """Return what distinguishes a compiled network from every other."""
    digest = hashlib.sha256(repr((module.shape, module.target, memory)).encode())
    for part in (card.encode(), module.constants.tobytes(), module.tables.tobytes()):
        digest.update(part)
    return digest.digest()


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)
