"""A compiled network in memory, checked against its source file."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from llvmlite import binding

from shufflenet.codegen import Facts, Module, ObjectFile, WeightType, build, object_file
from shufflenet.compile._archive import archive
from shufflenet.compile._gate import Reference, check_here, reference
from shufflenet.compile._header import Sizes, header
from shufflenet.compile._link import link
from shufflenet.compile._targets import HOST, find_target, object_format
from shufflenet.errors import (
    CompileError,
    NotCompilable,
    OtherBinary,
    SpecError,
    UnsupportedByRuntime,
)
from shufflenet.files import card_from_metadata
from shufflenet.graph import Network, read_network
from shufflenet.spec import BINARIES, Binary, Card, Target

__all__ = ["MOST_SOURCE_PX", "CompiledFile", "Made", "Order", "make"]

MOST_SOURCE_PX = 8192
_MOST_IMAGE_PX = 4096
_LARGEST_SOURCE_PX = 1 << 15  # offsets within a row of such photos fit 32 bits by far
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DIGITS = 6  # of the logits that a file holds as its proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made; see ``compile_network``."""

    target: str = HOST
    cpu: str = ""
    features: str = ""
    image_px: tuple[int, int] | None = None
    prefix: str = "shufflenet"
    weights: WeightType | None = None
    least_memory: bool = False
    most_source_px: int = MOST_SOURCE_PX

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.prefix):
            expected = "the beginning of a name in C: letters, digits and _"
            raise SpecError("prefix", self.prefix, expected)
        if self.weights not in ("float32", "float16", None):
            raise SpecError("weights", self.weights, "'float32' or 'float16'")
        for name, size, most in (
            ("image_px", self.image_px or (1, 1), _MOST_IMAGE_PX),
            ("most_source_px", (self.most_source_px,), _LARGEST_SOURCE_PX),
        ):
            if not all(1 <= each <= most for each in size):
                raise SpecError(name, getattr(self, name), f"from 1 to {most} px")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFile:
    """A file that was written, and what it takes.

    Attributes:
        path: The file.
        header: The C header beside it.
        import_library: What programs for Windows link with, beside a DLL; empty elsewhere.
        model: The model's name on its card.
        target: The target as it was named.
        triple: LLVM's triple of it.
        cpu: LLVM's name of the processor; empty for the architecture's baseline.
        multiplies_bytes: The instructions that int8 layers multiply by; empty without such layers.
        image_px: Height and width of images.
        file_bytes: Bytes of the file.
        code_bytes: Bytes of machine code in it.
        weights_bytes: Bytes of weights and tables in it.
        memory_bytes: Bytes of working memory that each caller gives.
        max_abs_difference: The largest difference between its logits and ONNX Runtime's of the
            source file; None where this machine cannot run it.
        max_abs_logit: The largest of those logits.
    """

    path: str
    header: str
    import_library: str
    model: str
    target: str
    triple: str
    cpu: str
    multiplies_bytes: str
    image_px: tuple[int, int]
    file_bytes: int
    code_bytes: int
    weights_bytes: int
    memory_bytes: int
    max_abs_difference: float | None
    max_abs_logit: float


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
    target = find_target(order.target, order.cpu, order.features)
    binary = _binary(to, target, order.target)
    network, card, size = _read(path, order)
    expected = reference(path, card, size)
    module = _module(path, network, target, card, size, order)
    facts = Facts(
        labels=card.labels,
        card=card.to_json(),
        proof=_proof(expected),
        preprocess=card.preprocess,
        most_source_px=order.most_source_px,
    )
    # A module is downloaded; other files are read in place, by all threads alike.
    usual: WeightType = "float16" if target.triple.startswith("wasm") else "float32"
    made = object_file(module, facts, order.prefix, weights=order.weights or usual)
    files = _files(made, to, binary)
    difference = _difference(files[to], made, binary, target, order, expected)
    beside = to.with_suffix(".h")
    report = CompiledFile(
        path=str(to),
        header=str(beside),
        import_library=next((str(each) for each in files if each != to), ""),
        model=card.name,
        target=order.target,
        triple=target.triple,
        cpu=target.cpu,
        multiplies_bytes=target.multiplies_bytes if np.uint8 in network.dtypes else "",
        image_px=size,
        file_bytes=len(files[to]),
        code_bytes=_code_bytes(made.content),
        weights_bytes=made.weights_bytes,
        memory_bytes=made.memory_bytes,
        max_abs_difference=difference,
        max_abs_logit=float(np.abs(expected.logits).max()),
    )
    files[beside] = _header(card, module, made, order).encode()
    return Made(files, report)


def _header(card: Card, module: Module, made: ObjectFile, order: Order) -> str:
    sizes = Sizes(
        shape=module.shape,
        memory_bytes=made.memory_bytes,
        alignment=made.alignment,
        most_source_px=order.most_source_px if module.takes_pixels else 0,
    )
    names = [name.removeprefix(f"{order.prefix}_") for name in made.names]
    return header(card, sizes, names, order.prefix, order.target)


def _difference(
    content: bytes,
    made: ObjectFile,
    binary: Binary,
    target: Target,
    order: Order,
    expected: Reference,
) -> float | None:
    """Return the largest difference to the reference; None where the file does not run here."""
    if not _runs_here(target):
        return None
    if binary.linked:
        return check_here(content, f"net{binary.suffix}", order.prefix, expected)
    return check_here(made.content, "net.o", order.prefix, expected)


def _binary(to: Path, target: Target, name: str) -> Binary:
    """Return the kind of file that a name ends in.

    Raises:
        OtherBinary: the target is not compiled into such a file.
    """
    form = object_format(target)
    possible = {suffix: each for suffix, each in BINARIES.items() if form in each.formats}
    if to.suffix not in possible:
        *most, last = possible
        raise OtherBinary(to, f"{', '.join(most)} or {last}", name)
    return possible[to.suffix]


def _read(path: Path, order: Order) -> tuple[Network, Card, tuple[int, int]]:
    """Return a file's network, its card, and the height and width of images.

    The card's preprocessing gives images of that size, with as much of each photo as before.

    Raises:
        NotCompilable: it has layers for which no code is written.
        SpecError: a mean image is subtracted, which has another size.
    """
    try:
        network, metadata = read_network(path)
    except UnsupportedByRuntime as error:
        raise NotCompilable(path, error.feature) from error
    card, _ = card_from_metadata(path, metadata)
    how = card.preprocess
    size = order.image_px or (how.crop_px, how.crop_px)
    if max(size) != how.crop_px:
        resize_px = max(*size, round(how.resize_px * max(size) / how.crop_px))
        how = replace(how, crop_px=max(size), resize_px=resize_px)
    return network, replace(card, preprocess=how), size


def _module(
    path: Path,
    network: Network,
    target: Target,
    card: Card,
    size: tuple[int, int],
    order: Order,
) -> Module:
    """Return the module of a network.

    Raises:
        NotCompilable: its layers do not fit each other, or it is too large.
    """
    shape = (card.network.in_channels, *size)
    try:
        return build(
            network,
            target,
            shape,
            card.preprocess,
            batches=False,
            least_memory=order.least_memory,
        )
    except CompileError as error:
        raise NotCompilable(path, error.feature) from error


def _proof(expected: Reference) -> dict[str, object]:
    """Return what a file holds to be checked by: the logits of an image that anyone can draw."""
    if expected.images.dtype != np.uint8:
        return {}
    logits = [float(f"{value:.{_DIGITS}g}") for value in expected.logits[0]]
    return {"image": "squares of 8", "logits": logits}


def _files(made: ObjectFile, to: Path, binary: Binary) -> dict[Path, bytes]:
    """Return the files of a kind, without the header."""
    if not binary.linked:
        is_archive = binary.suffix == ".a"
        return {to: archive(made.content, made.names) if is_archive else made.content}
    linked = link(made.content, to.name, made.names)
    if linked.import_library:
        return {to: linked.content, to.with_suffix(".lib"): linked.import_library}
    return {to: linked.content}


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
