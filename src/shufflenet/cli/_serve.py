"""``shufflenet serve``."""

import argparse
import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command, file_endings, not_negative, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import DEFAULT

if TYPE_CHECKING:
    from shufflenet.serve import Limits, Serving, Started

__all__ = ["add_serve"]

_MOST_PORT = 65_535


def add_serve(commands: Commands) -> None:
    """Add ``shufflenet serve``."""
    parser = add_command(
        commands,
        _serve,
        "serve",
        "answer HTTP requests: images in, classes or vectors out, and a page to try it",
        "  shufflenet serve\n"
        "  shufflenet serve --model default birds=runs/birds/best.safetensors --port 8080\n"
        "  shufflenet serve --host 0.0.0.0 --token-file token --workers 4 --log json\n"
        "  shufflenet serve --allow-host photos.example.org --json\n",
    )
    parser.set_defaults(extra="serve")
    _add_models(parser)
    _add_place(parser)
    _add_limits(parser)
    parser.add_argument(
        "--log",
        default="none",
        choices=["none", "text", "json"],
        help="print a line on stderr for each request, without its query and its images; faults "
        "of the service are printed in any case (default: none)",
    )
    add_json(parser)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        action="extend",
        nargs="+",
        metavar="NAME|FILE",
        help="checkpoints' names from `shufflenet list`, folders of training runs, or files that "
        f"end in {file_endings()}; NAME=FILE serves a file by that name; requests that name none "
        "are answered by the first (default: the model that ships in the package)",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=["auto", *RUNTIMES],
        help="the program that computes the models (default: auto, which is the fastest installed "
        "one that agrees with ONNX Runtime)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that answer; they share the models' memory (default: one a core, at most "
        "8; 1 on systems other than Linux)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of each worker that decode and compute (default: the cores, shared evenly)",
    )


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="where to listen: 0.0.0.0 for other machines too (default: 127.0.0.1, which only "
        "programs of this machine reach)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8000,
        help="where to listen; 0 takes a free port, which is printed (default: 8000)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        type=_host_name,
        default=[],
        metavar="NAME",
        help="a name that requests may ask for, as of a site behind a proxy; may be given several "
        "times (default: on loopback localhost, 127.0.0.1 and [::1], else any)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="a file, for its owner's eyes only, whose line requests must send as "
        "Authorization: Bearer LINE (default: requests need no token)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits", "What is more is refused, by a sentence.")

    def add(name: str, kind: Callable[[str], object], default: str, text: str) -> None:
        metavar = name.rpartition("-")[2].upper() if kind is _number else "N"
        limits.add_argument(name, type=kind, metavar=metavar, help=f"{text} (default: {default})")

    add("--max-request-mb", positive, "32", "mebibytes of a request's body")
    add("--max-pixels", positive, "50000000", "pixels of an image, width times height")
    add("--max-request-pixels", positive, "400000000", "pixels of all images of a request")
    add("--max-images", positive, "64", "images of a request")
    add("--max-waiting", positive, "256", "images of each worker that wait for their answer")
    add("--max-held-mb", positive, "256", "mebibytes of bodies that each worker holds at once")
    add("--max-connections", positive, "1000", "connections of each worker at once")
    add("--seconds", _number, "30", "seconds for a body to arrive, and then for its answer")
    limits = parser.add_argument_group("batches", "Images that wait together, computed together.")
    add("--batch", positive, "8", "images computed at once, at most")
    add(
        "--batch-wait-ms",
        _number,
        "10",
        "milliseconds that a decoded image waits while others are decoded, at most; one alone "
        "does not wait",
    )


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", text):
        hint = "a name alone, as photos.example.org, without http:// and port"
        raise argparse.ArgumentTypeError(f"{text!r} is not {hint}")
    return text


def _port(text: str) -> int:
    port = not_negative(text)
    if port > _MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {_MOST_PORT}")
    return port


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number


def _serve(args: argparse.Namespace) -> int:
    from shufflenet.serve import serve

    def on_start(started: "Started") -> None:
        if args.json:
            print_json(
                {
                    "url": started.url,
                    "models": list(started.models),
                    "workers": started.workers,
                    "threads": started.threads,
                }
            )
        else:
            _print_start(started)
        sys.stdout.flush()  # whoever waits for it may begin

    serving = _serving(args)
    _warn_if_open(serving)
    return serve(args.model or [DEFAULT], serving, on_start)


def _serving(args: argparse.Namespace) -> "Serving":
    from shufflenet.serve import ConnectionLimits, Serving, read_token

    connections = args.max_connections
    return Serving(
        host=args.host,
        port=args.port,
        workers=args.workers,
        threads=args.threads,
        runtime=args.runtime,
        limits=_limits(args),
        connections=ConnectionLimits(open=connections) if connections else ConnectionLimits(),
        token=read_token(args.token_file) if args.token_file is not None else None,
        allow_hosts=tuple(args.allow_host),
        log=args.log,
    )


def _limits(args: argparse.Namespace) -> "Limits":
    """Return the limits; those that were not given are the service's own."""
    from dataclasses import replace

    from shufflenet.serve import Limits

    mebi = 1 << 20
    given = {
        "request_bytes": args.max_request_mb and args.max_request_mb * mebi,
        "pixels": args.max_pixels,
        "request_pixels": args.max_request_pixels,
        "images": args.max_images,
        "waiting": args.max_waiting,
        "held_bytes": args.max_held_mb and args.max_held_mb * mebi,
        "seconds": args.seconds,
        "batch": args.batch,
        "batch_wait_ms": args.batch_wait_ms,
    }
    return replace(Limits(), **{name: value for name, value in given.items() if value is not None})


def _warn_if_open(serving: "Serving") -> None:
    from shufflenet.serve import is_loopback

    if serving.token is None and not is_loopback(serving.host):
        print_note(
            f"Everybody who reaches {serving.host} may use this service; "
            "--token-file asks for a token."
        )


def _print_start(started: "Started") -> None:
    for name, served in started.models.items():
        card = served.card
        print_line(f"{name}: {card.name}, {len(card.labels)} classes, by {served.model.runtime}")
    processes = f" by {started.workers} workers" if started.workers > 1 else ""
    print_line(f"Answering at {started.url}{processes}. Ctrl-C ends it.")
    if "//0.0.0.0:" in started.url or "//[::]:" in started.url:
        print_line("That is every address of this machine; others ask for its name.")
