"""``shufflenet embed``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import add_images, batch_for, listed
from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, progress, say
from shufflenet.zoo import DEFAULT

if TYPE_CHECKING:
    from shufflenet.errors import ImageError
    from shufflenet.runtimes._torch import TorchClassifier

__all__ = ["add_embed"]


def add_embed(commands: Commands) -> None:
    """Add ``shufflenet embed``."""
    parser = add_command(
        commands,
        _embed,
        "embed",
        "write a vector for each image: what the model's last layer reads",
        "  shufflenet embed photos/ --to photos.npy          # and photos.paths.txt\n"
        "  shufflenet embed 'more/**/*.jpg' --to more.parquet --model runs/a/best.safetensors\n",
    )
    add_images(parser)
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE.npy|FILE.parquet",
        help="where to write; .npy is float32 of shape (images, dimensions) in the order given, "
        "beside a FILE.paths.txt with a path a line; .parquet has the columns path and embedding",
    )
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME|FILE",
        help="a name of `shufflenet list` or a .safetensors file; torch computes it (default: the "
        "model that ships in the package)",
    )
    add_json(parser)


def _embed(args: argparse.Namespace) -> int:
    from shufflenet.embed import SUFFIXES, check_destination, embed, write_embedding

    if args.to.suffix not in SUFFIXES:
        say(f"--to {str(args.to)!r} must end in {' or '.join(SUFFIXES)}.")
        return 2
    paths = list(listed(args.images))
    check_destination(args.to, paths)
    model = _open(args.model)
    with progress(len(paths), "images") as bar:

        def on_image(failure: "ImageError | None") -> None:
            if failure:
                say(str(failure))
            bar.update()

        found = embed(model, paths, batch=batch_for(len(paths)), on_image=on_image)
    if found.paths:
        write_embedding(args.to, found)
    else:
        say("No image could be read, so nothing was written.")
    if args.json:
        print_json(
            {
                "path": str(args.to) if found.paths else None,
                "images": len(found.paths),
                "dimensions": found.vectors.shape[1],
                "failed": len(found.failures),
                "model": model.card.name,
            }
        )
    elif found.paths:
        print(f"{args.to}: {len(found.paths)} vectors of {found.vectors.shape[1]} numbers")
    if found.failures:
        say(f"{len(found.failures)} of {len(paths)} files could not be read and are left out.")
    return 1 if found.failures else 0


def _open(name: str) -> "TorchClassifier":
    from shufflenet.hub import CHECKPOINT, resolve
    from shufflenet.runtimes._torch import open_file

    return open_file(resolve(name, (CHECKPOINT,)), threads=1)  # a thread an image
