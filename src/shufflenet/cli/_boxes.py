"""``shufflenet boxes``."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import (
    add_json,
    print_json,
    print_line,
    print_note,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from shufflenet.data.boxes import BoxSummary

__all__ = ["add_boxes"]

_FORMATS = ("coco", "yolo", "voc")


def add_boxes(commands: Commands) -> None:
    """Add ``shufflenet boxes``."""
    parser = add_command(
        commands,
        _boxes,
        "boxes",
        "check images with boxes, count what is in them, and convert them to another format",
        "  shufflenet boxes cells/\n"
        "  shufflenet boxes cells.tar.gz --to cells-yolo/ --format yolo\n"
        "  shufflenet boxes VOCdevkit/VOC2012 --split train --to voc-train/ --format coco\n",
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a folder, .tar or .tar.gz of images with boxes in the format of COCO "
        "(annotations.json), YOLO (labels/ and data.yaml) or Pascal VOC (Annotations/); or a .json "
        "of COCO's format with its images beside it",
    )
    parser.add_argument(
        "--split",
        choices=["train", "val"],
        help="which part is meant; required where DATA holds several",
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="a new folder to write images and boxes into (default: nothing is written)",
    )
    parser.add_argument(
        "--format", choices=_FORMATS, help="the format to write; required with --to"
    )
    add_json(parser)


def _boxes(args: argparse.Namespace) -> int:
    from shufflenet.data.boxes import open_boxes, summarize, write_boxes

    if (args.to is None) != (args.format is None):
        args.parser.error("--to and --format are given together")
    images = open_boxes(args.data, args.split)
    summary, written = summarize(images), None
    if args.to:
        with progress(len(images), "images") as bar:
            written = write_boxes(images, args.to, args.format, on_progress=bar.update)
    if args.json:
        fields = dataclasses.asdict(written) if written else None
        print_json({**dataclasses.asdict(summary), "written": fields})
        return 0
    _print_summary(summary)
    if written:
        print_line()
        print_line(f"Written to {written.path}: images {written.images}, boxes {written.boxes}.")
    if written and written.left_out:
        print_note(
            "Left out, because YOLO's format cannot say that a box counts neither for nor against "
            f"a detector: {written.left_out}."
        )
    return 0


def _print_summary(summary: "BoxSummary") -> None:
    from shufflenet.data.boxes import TITLES

    least, most = (" x ".join(map(str, px)) for px in (summary.smallest_px, summary.largest_px))
    sizes = f"of {least} px" if least == most else f"from {least} to {most} px"
    title = TITLES[summary.findings.format]
    print_line(
        f"{summary.source}: {summary.images} images {sizes}, {summary.boxes} boxes of "
        f"{len(summary.classes)} classes, in {title}'s format"
    )
    without, ignored = summary.findings.without_boxes, summary.findings.ignored
    print_line(f"Images without a box: {without}. Boxes that are ignored: {ignored}.")
    for sentence in summary.findings.sentences(summary.source):
        print_line(sentence)
    print_line()
    columns = ("index", "label", "images", "boxes", "small", "medium", "large")
    print_table([{name: str(getattr(each, name)) for name in columns} for each in summary.classes])
