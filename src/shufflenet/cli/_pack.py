"""``shufflenet pack``."""

import argparse
from pathlib import Path

from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, progress, say

__all__ = ["add_pack"]


def add_pack(commands: Commands) -> None:
    """Add ``shufflenet pack``."""
    parser = add_command(
        commands,
        _pack,
        "pack",
        "make images small once, into shards that train and evaluate read many times",
        "  shufflenet pack photos/ --to photos-256.tar\n"
        "  shufflenet pack imagenet/train --to imagenet-256/ --size 256\n"
        "  shufflenet train --data photos-256.tar --out runs/photos\n",
    )
    parser.add_argument("data", metavar="DATA", help="what `shufflenet train --data` takes")
    parser.add_argument(
        "--to", required=True, type=Path, metavar="FOLDER|FILE.tar",
        help="where to write; a folder is filled with shards of about 1 GB",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=positive, default=256, metavar="PX",
        help="the shorter side; shorter ones are kept (default: 256)",
    )  # fmt: skip
    parser.add_argument(
        "--quality", type=positive, metavar="N",
        help="write JPEG of quality N, up to 95: a tenth as large, read half as fast (default: raw "
        "pixels, which change no answer)",
    )  # fmt: skip
    add_json(parser)


def _pack(args: argparse.Namespace) -> int:
    from shufflenet.data import open_images, pack

    images = open_images(args.data)
    with progress(len(images), "images") as bar:
        packed = pack(images, args.to, args.size, quality=args.quality, on_progress=bar.update)
    if args.json:
        print_json(packed)
    else:
        size = f"{packed.bytes / 1e6:.0f} MB"
        print(f"{packed.path}: {packed.images} images of {packed.classes} classes, {size}")
    if packed.unreadable:
        say(f"{packed.unreadable} of {len(images)} images could not be read and are left out.")
    return 0
