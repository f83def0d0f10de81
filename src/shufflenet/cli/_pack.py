"""``shufflenet pack``."""

import argparse
from pathlib import Path

from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress

__all__ = ["add_pack"]


def add_pack(commands: Commands) -> None:
    """Add ``shufflenet pack``."""
    parser = add_command(
        commands,
        _pack,
        "pack",
        "write images at a smaller size into shards, which train and evaluate then read faster",
        "  shufflenet pack photos/ --to photos-256.tar\n"
        "  shufflenet pack imagenet/train --to imagenet-256/ --size 256\n"
        "  shufflenet train --data photos-256.tar --out runs/photos\n",
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="labeled images in any form that `shufflenet train --data` takes",
    )
    parser.add_argument(
        "--to", required=True, type=Path, metavar="FOLDER|FILE.tar",
        help="one .tar file to write, or a folder to fill with shards of about 1 GB",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=positive, default=256, metavar="PX",
        help="the shorter side of the images written; smaller images keep their size "
        "(default: 256)",
    )  # fmt: skip
    parser.add_argument(
        "--quality", type=positive, metavar="N",
        help="write JPEG of this quality, at most 95, which takes a tenth of the space and is read "
        "half as fast (default: raw pixels)",
    )  # fmt: skip
    add_json(parser)


def _pack(args: argparse.Namespace) -> int:
    from shufflenet.data import open_images
    from shufflenet.data.packing import Encoding, pack

    encoding = Encoding(args.size, args.quality)
    images = open_images(args.data)
    for sentence in images.findings.sentences(images.source):
        print_note(sentence)
    with progress(len(images), "images") as bar:
        packed = pack(images, args.to, encoding, on_progress=bar.update)
    if args.json:
        print_json(packed)
    else:
        size = f"{packed.bytes / 1e6:.0f} MB"
        print_line(f"{packed.path}: {packed.images} images of {packed.classes} classes, {size}")
    if packed.unreadable:
        print_note(
            f"{packed.unreadable} of {len(images)} images could not be read and are left out."
        )
    return 0
