"""``shufflenet embed``."""

import argparse
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import add_images, batch_for, listed
from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, progress, say
from shufflenet.errors import SpecError
from shufflenet.zoo import DEFAULT

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from shufflenet.runtimes._torch import TorchClassifier

    _Vectors = npt.NDArray[np.float32]

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
    if args.to.suffix not in (".npy", ".parquet"):
        say(f"--to {str(args.to)!r} must end in .npy or .parquet.")
        return 2
    if args.to.suffix == ".parquet":
        import pyarrow.parquet  # noqa: F401  # if it is missing, this is the time to say so
    import torch

    from shufflenet.models import load_model_and_card
    from shufflenet.runtimes._torch import TorchClassifier

    paths = list(listed(args.images))
    broken = next((str(path) for path in paths if len(str(path).splitlines()) > 1), None)
    if broken and args.to.suffix == ".npy":
        raise SpecError("a path", broken, "of one line, as it is listed so; or write a .parquet")
    torch.set_num_threads(1)  # a thread an image
    model = TorchClassifier(*load_model_and_card(args.model))
    found, vectors = _computed(model, paths)
    failed = len(paths) - len(found)
    if found:
        (_write_npy if args.to.suffix == ".npy" else _write_parquet)(args.to, found, vectors)
    else:
        say("No image could be read, so nothing was written.")
    if args.json:
        print_json(
            {
                "path": str(args.to) if found else None,
                "images": len(found),
                "dimensions": vectors.shape[1],
                "failed": failed,
                "model": model.card.name,
            }
        )
    elif found:
        print(f"{args.to}: {len(found)} vectors of {vectors.shape[1]} numbers")
    if failed:
        say(f"{failed} of {len(paths)} files could not be read and are left out.")
    return 1 if failed else 0


def _computed(model: "TorchClassifier", paths: Sequence[Path]) -> "tuple[list[Path], _Vectors]":
    """Give the images that can be read, and a row for each; tell of the others."""
    import numpy as np

    from shufflenet.errors import ImageError
    from shufflenet.runtimes import computed

    found: list[Path] = []
    vectors = np.empty((0, 0), np.float32)
    with progress(len(paths), "images") as bar:
        for path, row in computed(model.embed, model.card, paths, batch=batch_for(len(paths))):
            if isinstance(row, ImageError):
                say(str(row))
            else:
                if not found:  # made once, for there may be millions of rows
                    vectors = np.empty((len(paths), len(row)), np.float32)
                vectors[len(found)] = row
                found.append(path)
            bar.update()
    return found, vectors[: len(found)]


def _write_npy(to: Path, paths: Sequence[Path], vectors: "_Vectors") -> None:
    import numpy as np

    from shufflenet.files import write_atomic

    content = io.BytesIO()
    np.save(content, vectors)
    lines = b"".join(os.fsencode(path) + b"\n" for path in paths)
    write_atomic(
        to.with_suffix(".paths.txt"), lines
    )  # first: where there are rows, there are names
    write_atomic(to, content.getvalue())


def _write_parquet(to: Path, paths: Sequence[Path], vectors: "_Vectors") -> None:
    import pyarrow
    import pyarrow.parquet

    from shufflenet.files import write_atomic

    # A name that is no UTF-8 cannot stand in a column of text.
    names = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in paths]
    numbers = pyarrow.array(vectors.reshape(-1))
    rows = pyarrow.FixedSizeListArray.from_arrays(numbers, vectors.shape[1])
    content = io.BytesIO()
    table = pyarrow.table({"path": pyarrow.array(names, pyarrow.string()), "embedding": rows})
    pyarrow.parquet.write_table(table, content)
    write_atomic(to, content.getvalue())
