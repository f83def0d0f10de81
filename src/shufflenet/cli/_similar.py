"""``shufflenet similar``."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._embed import open_embedder
from shufflenet.cli._images import batch_size, list_images
from shufflenet.cli._options import Commands, add_command, add_feature_model, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress

if TYPE_CHECKING:
    from shufflenet.embed import Embedding
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import Embedder
    from shufflenet.similar import Nearest

__all__ = ["add_similar"]


def add_similar(commands: Commands) -> None:
    """Add ``shufflenet similar``."""
    parser = add_command(
        commands,
        _similar,
        "similar",
        "find the images that look most like one",
        "  shufflenet similar cat.jpg --among photos/\n"
        "  shufflenet similar cat.jpg --among vectors.npy --top 20 --json\n",
    )
    parser.add_argument(
        "photo",
        nargs="+",
        metavar="PHOTO",
        help="image files; of a folder or a pattern, each of its images",
    )
    parser.add_argument(
        "--among",
        required=True,
        metavar="FOLDER|FILE.npy|FILE.parquet",
        help="a folder of images, a pattern such as '**/*.jpg', or embeddings that `shufflenet "
        "embed` wrote with the same model, which are read many times faster",
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="K", help="images to name (default: 5)"
    )
    add_feature_model(parser)
    add_json(parser)


def _similar(args: argparse.Namespace) -> int:
    from shufflenet.similar import nearest

    model = open_embedder(args.model)
    paths = list(list_images(args.photo))
    photos = _embed(model, paths)
    among = _among(args.among, model)
    if photos.paths and among.paths:
        # One more than asked for, as a photo may lie among the others.
        found = nearest(among.vectors, photos.vectors, args.top + 1)
        for at, path in enumerate(photos.paths):
            _print(args, path, among, found, at, many=len(paths) > 1)
    failed = len(photos.failures) + len(among.failures)
    if not among.paths:
        print_note(f"There is no image in {args.among!r} that can be read.")
    return 1 if failed or not among.paths else 0


def _among(name: str, model: "Embedder") -> "Embedding":
    """Return the embeddings of images, read from a file or computed.

    Raises:
        EmbeddingsDiffer: the file is of another model.
    """
    from shufflenet.embed import SUFFIXES, read_embedding
    from shufflenet.errors import EmbeddingsDiffer

    path = Path(name)
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        return _embed(model, list(list_images([name])))
    embedding = read_embedding(path)
    width, expected = embedding.vectors.shape[1], model.card.network.embedding_channels
    if width != expected:
        raise EmbeddingsDiffer(path, width, model.card.name, expected)
    return embedding


def _embed(model: "Embedder", paths: list[Path]) -> "Embedding":
    from shufflenet.embed import embed

    with progress(len(paths), "images") as bar:

        def on_image(failure: "ImageError | None") -> None:
            if failure:
                print_note(str(failure))
            bar.update()

        return embed(model, paths, batch=batch_size(len(paths)), on_image=on_image)


def _print(
    args: argparse.Namespace,
    photo: Path,
    among: "Embedding",
    found: "Nearest",
    at: int,
    *,
    many: bool,
) -> None:
    """Print the images that are nearest to one, without that one itself; of many, with its name."""
    pairs = [
        (str(among.paths[index]), float(cosine))
        for index, cosine in zip(found.indices[at], found.cosines[at], strict=True)
        if not _same(photo, among.paths[index])
    ][: args.top]
    if args.json:
        similar = [{"path": path, "cosine": cosine} for path, cosine in pairs]
        print_json({"path": str(photo), "similar": similar})
        return
    if many:
        print_line(str(photo))
    for path, cosine in pairs:
        print_line(f"{cosine:6.3f}  {path}")


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
