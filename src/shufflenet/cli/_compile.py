"""``shufflenet compile``."""

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command, image_size, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, print_table
from shufflenet.spec import BINARIES, TARGETS

if TYPE_CHECKING:
    from shufflenet.compile import CompiledFile, Order

__all__ = ["add_compile"]

_HELP = "help"  # as the value of --cpu or --features, it prints what there is
_VERIFIED = (".so", ".dylib", ".dll", ".wasm")
_HOST, _WEB = "host", "web"


def add_compile(commands: Commands) -> None:
    """Add ``shufflenet compile``."""
    parser = add_command(
        commands,
        _compile,
        "compile",
        "write a model as machine code with an interface for C, for any processor, without a "
        "runtime",
        "  shufflenet compile default --to net.so\n"
        "  shufflenet compile default --to net.a --target aarch64-linux --cpu cortex-a76\n"
        "  shufflenet compile int8.onnx --to net.o --target thumbv7em-none-eabihf --cpu cortex-m7\n"
        "  shufflenet compile default --to net.wasm --target wasm32\n"
        "  shufflenet compile default --to site --target web\n"
        "  shufflenet compile --list-targets\n",
    )
    parser.set_defaults(extra="compile")
    parser.add_argument(
        "model",
        nargs="?",
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, an .onnx file, float32 or int8, a "
        ".safetensors file, or the folder of a training run",
    )
    kinds = "; ".join(
        f"{each.suffix}: {each.title}{f' for {each.systems}' if each.systems else ''}"
        for each in BINARIES.values()
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FILE|FOLDER",
        help=f"where to write; the suffix chooses what ({kinds}). A C header is written beside it. "
        "For --target web it is a folder; required",
    )
    _add_processor(parser)
    _add_network(parser)
    parser.add_argument("--list-targets", action="store_true", help="print the targets, and exit")
    add_json(parser)


def _add_processor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        default=_HOST,
        metavar="TARGET",
        help="a name of --list-targets, one of LLVM's triples such as aarch64-linux-musl, host, "
        "which is this machine, or web, a page that classifies photos (default: host)",
    )
    parser.add_argument(
        "--cpu",
        default="",
        metavar="NAME",
        help="LLVM's name of the processor, such as cortex-a76; the code then may need all of its "
        "instructions; help prints all names of the target (default: every processor of the "
        "target)",
    )
    parser.add_argument(
        "--features",
        default="",
        metavar="LIST",
        help="LLVM's names of instructions that the processor has too, such as +dotprod,+i8mm; "
        "help prints all names of the target (default: what the processor is known to have)",
    )


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-px",
        type=image_size,
        metavar="H[,W]",
        help="height and width of the images that the network sees; smaller ones take less time "
        "and memory, and may cost accuracy (default: the model's own)",
    )
    parser.add_argument(
        "--most-source-px",
        type=positive,
        default=8192,
        metavar="N",
        help="longest side of the photos that are classified; working memory grows with it "
        "(default: 8192)",
    )
    parser.add_argument(
        "--weights",
        choices=["float32", "float16"],
        help="how the file stores float32 weights; float16: in half the bytes, where that is "
        "exact, and expanded into working memory, which grows by all of them (default: float16 for "
        "WebAssembly, else float32)",
    )
    parser.add_argument(
        "--least-memory",
        action="store_true",
        help="take as little working memory as possible, and more time",
    )
    parser.add_argument(
        "--prefix",
        default="shufflenet",
        metavar="NAME",
        help="what the names of the functions begin with; networks of one program need different "
        "ones (default: shufflenet)",
    )


def _compile(args: argparse.Namespace) -> int:
    if args.list_targets:
        return _list_targets(args)
    if _HELP in (args.cpu, args.features):
        return _list_words(args)
    if not args.model or not args.to:
        print_note("Name a model and where to write: shufflenet compile default --to net.so.")
        return 2
    if args.target != _WEB and args.to.suffix.lower() not in BINARIES:
        print_note(f"--to {str(args.to)!r} must end in {' or '.join(BINARIES)}.")
        return 2
    from shufflenet.compile import check_order, compile_order
    from shufflenet.hub import ONNX, resolve

    order = _order(args)
    check_order(args.to, order)
    with tempfile.TemporaryDirectory(prefix="shufflenet-") as folder:
        source = resolve(args.model, (ONNX,), folder=Path(folder))
        print_note("Compiling takes some seconds ...")
        compiled = compile_order(source, args.to, order)
    if args.json:
        print_json(compiled)
    else:
        _print_result(compiled)
    return 0


def _order(args: argparse.Namespace) -> "Order":
    from shufflenet.compile import Order

    return Order(
        target=args.target,
        cpu=args.cpu,
        features=args.features,
        image_px=args.image_px,
        prefix=args.prefix,
        weights=args.weights,
        least_memory=args.least_memory,
        most_source_px=args.most_source_px,
    )


def _print_result(compiled: "CompiledFile") -> None:
    processor = f", {compiled.cpu}" if compiled.cpu else ""
    print_line(f"{compiled.path}: {compiled.model} for {compiled.triple}{processor}")
    print_line(
        f"code {compiled.code_bytes:,} bytes, weights {compiled.weights_bytes:,} bytes, working "
        f"memory {compiled.memory_bytes:,} bytes for each caller"
    )
    if compiled.target == _WEB:
        folder = shlex.quote(compiled.path)
        print_line(f"See it: python -m http.server --bind 127.0.0.1 --directory {folder}")
        return
    beside = ", ".join(filter(None, (compiled.header, compiled.import_library)))
    print_line(f"beside it: {beside}")
    if compiled.max_abs_difference is None:
        suffix = Path(compiled.path).suffix.lower()
        if suffix == ".wasm":
            extra = "pip install 'shufflenet[wasm]'"
            print_line(f"Without Wasmtime what it computes is not checked: {extra}.")
        else:
            print_line("It cannot run on this machine, so what it computes is not checked.")
        if suffix in _VERIFIED:
            file = shlex.quote(compiled.path)
            print_line(f"Check it where it runs: shufflenet verify {file}")
    else:
        print_line(
            f"logits differ from ONNX Runtime's by at most {compiled.max_abs_difference:.1e}, the "
            f"largest is {compiled.max_abs_logit:.1f}"
        )


def _list_targets(args: argparse.Namespace) -> int:
    from shufflenet.compile import binaries_of

    rows = [
        {
            "target": name,
            "triple": target.triple,
            "cpu": target.cpu,
            "int8 by": target.multiplies_bytes,
            "files": " ".join(binaries_of(target)),
        }
        for name, target in TARGETS.items()
    ]
    if args.json:
        print_json(rows)
    else:
        print_table(rows)
    return 0


def _list_words(args: argparse.Namespace) -> int:
    from shufflenet.compile import find_target, words_of

    words = words_of(find_target(args.target).triple)
    known = words.cpus if args.cpu == _HELP else words.features
    if args.json:
        print_json(known)
    else:
        print_table([{"name": name, "": says} for name, says in known.items()])
    return 0
