"""A network compiled ahead of time, and written."""

from pathlib import Path

from shufflenet.codegen import WeightType
from shufflenet.compile._link import check_linker
from shufflenet.compile._make import find_form, make
from shufflenet.compile._order import MOST_SOURCE_PX, CompiledFile, Order
from shufflenet.compile._page import check_page, write_page
from shufflenet.compile._targets import HOST, WEB
from shufflenet.files import check_place, read_onnx_card, write_together
from shufflenet.runtimes import check_classifier

__all__ = ["check_order", "compile_network", "compile_order"]


def check_order(to: str | Path, order: Order) -> None:
    """Check what can be told before anything is read, downloaded or compiled.

    Args:
        to: Where the result will be written.
        order: What is to be made.

    Raises:
        SpecError: the target is a page, and what a page has of its own is named.
        UnknownTarget: there is no such target.
        UnknownProcessor: LLVM knows no such processor or feature.
        OtherBinary: the target has no files of that suffix.
        MissingDependency: a linker is needed.
        WriteError: nothing can be written there.
    """
    if order.target == WEB:
        check_page(Path(to), order)
    else:
        _, binary = find_form(Path(to), order)
        check_place(to)
    if order.target == WEB or binary.linked:
        check_linker()


def compile_network(
    path: str | Path,
    to: str | Path,
    target: str = HOST,
    *,
    cpu: str = "",
    features: str = "",
    image_px: tuple[int, int] | None = None,
    prefix: str = "shufflenet",
    weights: WeightType | None = None,
    least_memory: bool = False,
    most_source_px: int = MOST_SOURCE_PX,
) -> CompiledFile:
    """Compile a network for a processor, and write it with its C header beside it.

    For the target ``web`` it is a folder: a page that classifies photos and a JavaScript module.

    Args:
        path: An ONNX file that ``shufflenet export`` or ``shufflenet quantize`` wrote.
        to: Where to write; the suffix is one of ``spec.BINARIES`` that the target has.
        target: A name of ``spec.TARGETS``, ``host`` for this machine, ``web``, or one of LLVM's
            triples.
        cpu: LLVM's name of the processor; the target's own unless given.
        features: LLVM's list of features, such as ``+dotprod``, added to the target's.
        image_px: Height and width of images; those of the card unless given.
        prefix: The prefix of all names in C.
        weights: How float32 weights are stored: ``float16``, where that is exact, for half the
            bytes in the file and more working memory, in which they are expanded; by default so
            in WebAssembly, which is downloaded, and as ``float32`` elsewhere.
        least_memory: Whether working memory is as small as possible, which takes more time.
        most_source_px: The longest side of photos that are resized; working memory grows with it.

    Raises:
        SpecError: a name or a size is none that can be.
        UnknownTarget: there is no such target.
        UnknownProcessor: LLVM knows no such processor or feature.
        OtherBinary: the target has no files of that suffix.
        NotCompilable: no machine code is written for the network.
        CheckpointError: the file is missing, damaged, or has no card.
        MissingDependency: a shared library or a WebAssembly module needs a linker.
        LinkError: the linker failed.
        ParityError: the file computes something else; nothing is written.
        WriteError: the file cannot be written; one that was there before is unchanged.
    """
    order = Order(
        target=target,
        cpu=cpu,
        features=features,
        image_px=image_px,
        prefix=prefix,
        weights=weights,
        least_memory=least_memory,
        most_source_px=most_source_px,
    )
    return compile_order(path, to, order)


def compile_order(path: str | Path, to: str | Path, order: Order) -> CompiledFile:
    """Compile a network as ``compile_network`` does, and raise what it raises.

    Args:
        path: The ONNX file.
        to: Where to write.
        order: What is to be made.
    """
    check_order(to, order)
    check_classifier(read_onnx_card(path), "be compiled")
    if order.target == WEB:
        return write_page(Path(path), Path(to), order)
    made = make(Path(path), Path(to), order)
    write_together(made.files)
    return made.report
