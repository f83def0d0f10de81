"""A compiled network in memory, checked against its source file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from llvmlite import binding

from shufflenet.codegen import ObjectFile, WeightType, object_file, object_of_levels
from shufflenet.compile._archive import archive
from shufflenet.compile._gate import check_here, check_module
from shufflenet.compile._header import Sizes, header
from shufflenet.compile._link import link
from shufflenet.compile._order import CompiledFile, Order
from shufflenet.compile._source import Source, read_source
from shufflenet.compile._targets import binaries_of, find_target, object_format
from shufflenet.errors import OtherBinary
from shufflenet.files import seal
from shufflenet.spec import Binary, Target

__all__ = ["Made", "find_form", "make"]


@dataclass(frozen=True, slots=True)
class Made:
    """The files that were made, by their paths, and what is told of them."""

    files: dict[Path, bytes]
    report: CompiledFile


def make(path: Path, to: Path, order: Order) -> Made:
    """Compile a network, and check what this machine can run of it.

    Args:
        path: The ONNX file.
        to: Where the result will be written.
        order: What is to be made.

    Raises:
        SpecError: there are no images of that size.
        UnknownTarget: there is no such target.
        UnknownProcessor: LLVM knows no such processor or feature.
        OtherBinary: the target has no files of that suffix.
        NotCompilable: no machine code is written for the network.
        CheckpointError: the file is missing, damaged, or has no card.
        MissingDependency: a linker is needed.
        LinkError: the linker failed.
        ParityError: the file computes something else.
    """
    target, binary = find_form(to, order)
    source = read_source(path, order)
    # A module is downloaded; other files are read in place, by all threads alike.
    usual: WeightType = "float16" if target.triple.startswith("wasm") else "float32"
    modules, facts = source.modules(target, order), source.facts(order)
    weights = order.weights or usual
    if len(modules) > 1:
        made = object_of_levels(modules, facts, order.prefix, weights=weights)
    else:
        made = object_file(modules[0], facts, order.prefix, weights=weights)
    return _Making(to, order, target, binary, source, made).done()


@dataclass(frozen=True, slots=True)
class _Making:
    """An object that was compiled, of which files are made."""

    to: Path
    order: Order
    target: Target
    binary: Binary
    source: Source
    made: ObjectFile

    def done(self) -> Made:
        """Return the files and what is told of them.

        Raises:
            MissingDependency: a linker is needed.
            LinkError: the linker failed.
            ParityError: the file computes something else.
        """
        files, made, target = self._files(), self.made, self.target
        header = self.to.with_suffix(".h")
        levels = [each.multiplies_bytes for each in self.source.levels(target)]
        report = CompiledFile(
            path=str(self.to),
            header=str(header),
            import_library=next((str(each) for each in files if each != self.to), ""),
            model=self.source.card.name,
            target=self.order.target,
            triple=target.triple,
            cpu=target.cpu,
            multiplies_bytes=", ".join(levels) if np.uint8 in self.source.network.dtypes else "",
            image_px=self.source.card.preprocess.size_px,
            file_bytes=len(files[self.to]),
            code_bytes=_code_bytes(made.content),
            weights_bytes=made.weights_bytes,
            memory_bytes=made.memory_bytes,
            max_abs_difference=self._difference(files[self.to]),
            max_abs_logit=float(np.abs(self.source.expected.logits).max()),
        )
        return Made({**files, header: self._header().encode()}, report)

    def _files(self) -> dict[Path, bytes]:
        """Return the files of a kind, without the header."""
        made, to = self.made, self.to
        if not self.binary.linked:
            is_archive = self.binary.suffix == ".a"
            return {to: archive(made.content, made.names) if is_archive else made.content}
        linked = link(made.content, to.name, made.names)
        content = linked.content
        if self.binary.sealed:
            content = seal({to.name: content})[to.name]
        if linked.import_library:
            return {to: content, to.with_suffix(".lib"): linked.import_library}
        return {to: content}

    def _difference(self, content: bytes) -> float | None:
        """Return how far the file is from the reference; None where it does not run here."""
        if self.target.is_wasm and self.binary.linked:
            return check_module(content, self.to.name, self.source.expected)
        if not _runs_here(self.target):
            return None
        # An archive has the object in it.
        suffix = self.binary.suffix if self.binary.linked else ".o"
        run = content if self.binary.linked else self.made.content
        return check_here(run, f"net{suffix}", self.order.prefix, self.source.expected)

    def _header(self) -> str:
        prefix = self.order.prefix
        names = [name.removeprefix(f"{prefix}_") for name in self.made.names]
        sizes = Sizes(
            shape=self.source.shape,
            memory_bytes=self.made.memory_bytes,
            alignment=self.made.alignment,
            most_source_px=self.order.most_source_px if "classify" in names else 0,
        )
        return header(self.source.card, sizes, names, prefix, self.order.target)


def find_form(to: Path, order: Order) -> tuple[Target, Binary]:
    """Return the processor, and the kind of file that a name ends in.

    Raises:
        UnknownTarget: there is no such target.
        UnknownProcessor: LLVM knows no such processor or feature.
        OtherBinary: the target is not compiled into such a file.
    """
    target = find_target(order.target, order.cpu, order.features)
    possible = binaries_of(target)
    suffix = to.suffix.lower()
    if suffix not in possible:
        *most, last = possible
        raise OtherBinary(to, f"{', '.join(most)} or {last}", order.target)
    return target, possible[suffix]


def _runs_here(target: Target) -> bool:
    """Return whether this machine's system and architecture are the target's."""
    here = Target(triple=binding.get_default_triple())
    binding.initialize_all_targets()
    names = [binding.Target.from_triple(each.triple).name for each in (here, target)]
    return names[0] == names[1] and object_format(here) == object_format(target)


def _code_bytes(content: bytes) -> int:
    """Return the bytes of machine code in an object."""
    sections = binding.ObjectFileRef.from_data(content).sections()
    return sum(section.size() for section in sections if section.is_text())
