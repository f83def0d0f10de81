"""``shufflenet embed``."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import add_images, batch_size, list_images
from shufflenet.cli._options import Commands, add_command, add_feature_model
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress

if TYPE_CHECKING:
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import Embedder

__all__ = ["add_embed", "open_embedder"]


def add_embed(commands: Commands) -> None:
    """Add ``shufflenet embed``."""
    parser = add_command(
        commands,
        _embed,
        "embed",
        "write a vector for each image: the input of the model's last layer",
        "  shufflenet embed photos/ --to photos.npy\n"
        "  shufflenet embed photos/ --to photos.npy --model photos.int8.onnx\n"
        "  shufflenet embed 'more/**/*.jpg' --to more.parquet --model runs/a/best.safetensors\n",
    )
    add_images(parser)
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE.npy|FILE.parquet",
        help="where to write: a .npy file of float32, (images, dimensions), and next to it "
        "FILE.paths.txt with one path per row; or a .parquet file with the columns path and "
        "embedding",
    )
    add_feature_model(parser)
    add_json(parser)


def _embed(args: argparse.Namespace) -> int:
    from shufflenet.embed import SUFFIXES, check_destination, embed, write_embedding

    if args.to.suffix.lower() not in SUFFIXES:
        print_note(f"--to {str(args.to)!r} must end in {' or '.join(SUFFIXES)}.")
        return 2
    paths = list(list_images(args.images))
    check_destination(args.to, paths)
    model = open_embedder(args.model)
    with progress(len(paths), "images") as bar:

        def on_image(failure: "ImageError | None") -> None:
            if failure:
                print_note(str(failure))
            bar.update()

        embedding = embed(model, paths, batch=batch_size(len(paths)), on_image=on_image)
    if embedding.paths:
        write_embedding(args.to, embedding)
    else:
        print_note("No image could be read, so nothing was written.")
    images, dimensions = len(embedding.paths), embedding.vectors.shape[1]
    failed = len(embedding.failures)
    if args.json:
        path = str(args.to) if images else None
        counts = {"images": images, "dimensions": dimensions, "failed": failed}
        print_json({"path": path, **counts, "model": model.card.name})
    elif images:
        print_line(f"{args.to}: {images} vectors of {dimensions} numbers")
    if failed:
        print_note(f"{failed} of {len(paths)} files could not be read and are left out.")
    return 1 if failed else 0


def open_embedder(name: str) -> "Embedder":
    """Open a model to embed with, of one thread: every core computes a batch of its own."""
    from shufflenet import runtimes
    from shufflenet.hub import CHECKPOINT, ONNX, resolve

    path = resolve(name, (ONNX, CHECKPOINT))
    if path.suffix.lower() == CHECKPOINT:
        os.getcwd()  # the MKL inside torch ends the process where the current folder was removed
    return runtimes.open_embedder(path, threads=1)
