"""``shufflenet score``."""

import argparse
from typing import TYPE_CHECKING, Any

from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from shufflenet.score import Progress, Summary

__all__ = ["add_score"]


def add_score(commands: Commands) -> None:
    """Add ``shufflenet score``."""
    parser = add_command(
        commands,
        _score,
        "score",
        "answer millions of images, each exactly once, into parquet files",
        "  shufflenet score photos/ --out answers\n"
        "  shufflenet score s3://bucket/shards --out s3://bucket/answers --columns embeddings\n"
        "  shufflenet score photos.csv --out answers --cluster 10.0.0.1:6379\n",
    )
    parser.set_defaults(extra="score")
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder of images, .tar, .tar.gz or .parquet files, or one of these files; or a "
        ".csv, .tsv or .txt of paths or addresses; a path, or an address such as s3://BUCKET/FOLDER",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="where answers are written: a new folder, or that of the same job, which is then "
        "continued; a path or an address",
    )
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, the folder of a training run, or a file "
        "(default: the model that ships in the package)",
    )
    parser.add_argument(
        "--columns",
        default="predictions",
        choices=["predictions", "logits", "embeddings"],
        help="what is written of an image (default: predictions)",
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="K", help="classes per image (default: 5)"
    )
    _add_machinery(parser)
    add_json(parser)


def _add_machinery(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=["auto", *RUNTIMES],
        help="the program that computes the model (default: auto, which is the fastest installed "
        "one that agrees with ONNX Runtime)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="the address of a Ray cluster that computes, HOST:PORT (default: processes of this "
        "machine compute)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="how many compute at once, each with one thread (default: one a core)",
    )


def _score(args: argparse.Namespace) -> int:
    from shufflenet.score import Job, score

    job = Job(
        source=args.source,
        out=args.out,
        model=args.model,
        columns=args.columns,
        top=args.top,
        runtime=args.runtime,
        cluster=args.cluster,
        workers=args.workers,
    )
    with progress(None, "images") as bar:
        summary = score(job, _shown(bar))
    if args.json:
        print_json(summary)
    else:
        _print_summary(summary)
    return 0


def _shown(bar: Any) -> "Callable[[Progress], None]":  # noqa: ANN401  # tqdm has no types
    """Return a function that shows progress on a bar: images, parts, failures, time left."""
    waited = ""

    def show(now: "Progress") -> None:
        nonlocal waited
        if now.waiting != waited:
            bar.clear()
            print_note(now.waiting or "A worker has started.")
            waited = now.waiting
        parts = f"{now.parts} of {now.total_parts}" if now.total_parts else f"{now.parts}"
        kinds = ", ".join(f"{number} {kind}" for kind, number in _most(now.counts.failures))
        bar.set_postfix_str(
            f"parts {parts}" + f"; unreadable: {kinds}" * bool(kinds), refresh=False
        )
        if now.to_answer is not None and bar.total != now.to_answer:
            bar.total = now.to_answer
        bar.update(now.counts.images - bar.n)

    return show


def _most(failures: "dict[str, int] | Any") -> list[tuple[str, int]]:  # noqa: ANN401  # a mapping
    return sorted(failures.items(), key=lambda item: -item[1])[:3]


def _print_summary(summary: "Summary") -> None:
    print_line(f"{summary.answers}: {summary.images} images in {summary.parts} files")
    if summary.answered:
        rate = summary.answered / summary.seconds
        print_note(f"{summary.answered} in {summary.seconds:.1f} s, {rate:.0f} per second.")
    else:
        print_note("All of them were answered before.")
    if summary.failed:
        print_note(f"{summary.failed} could not be read; the column 'error' says why:")
        for kind, number in sorted(summary.failures.items(), key=lambda item: -item[1]):
            print_note(f"  {number}  {kind}")
