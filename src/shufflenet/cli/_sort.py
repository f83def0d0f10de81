"""``shufflenet sort``."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import add_images, batch_size, list_images
from shufflenet.cli._options import Commands, add_command, add_model, number_up_to, open_chosen
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress

if TYPE_CHECKING:
    from shufflenet.runtimes import Model
    from shufflenet.sort import Sorter

__all__ = ["add_sort"]


def add_sort(commands: Commands) -> None:
    """Add ``shufflenet sort``."""
    parser = add_command(
        commands,
        _sort,
        "sort",
        "put images into a folder for each answer",
        "  shufflenet sort photos/ --to sorted/\n"
        "  shufflenet sort photos/ --to sorted/ --unsure 0.6 --copy\n"
        "  shufflenet sort photos/ --to sorted/ --model runs/photos/best.safetensors\n",
    )
    add_images(parser)
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="where the folders are made; what is there already stays",
    )
    parser.add_argument(
        "--unsure",
        type=number_up_to(1, "a probability"),
        default=0.0,
        metavar="P",
        help="put images whose answer is less probable than P into the folder `unsure` (default: "
        "0, which is none)",
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--copy",
        action="store_const",
        const="copy",
        dest="way",
        help="copy the images (default: hard links, which take no space and stay when the "
        "originals are deleted, or copies where there are none)",
    )
    ways.add_argument(
        "--link",
        action="store_const",
        const="symbolic",
        dest="way",
        help="make symbolic links, which lead to where the originals are",
    )
    add_model(parser)
    add_json(parser)


def _sort(args: argparse.Namespace) -> int:
    from shufflenet.files import check_place
    from shufflenet.runtimes import check_classifier
    from shufflenet.sort import Sorter

    check_place(args.to / "folder")
    paths = list(list_images(args.images))
    model = open_chosen(args, images=len(paths))
    check_classifier(model.card, "sort images into folders")
    sorter = Sorter(args.to, model.card.labels, unsure=args.unsure, way=args.way or "hard")
    unsorted = [path for path in paths if not sorter.holds(path)]
    if sorted_before := len(paths) - len(unsorted):
        print_note(
            f"{sorted_before} of {len(paths)} images are passed over: they lie in a folder "
            f"of answers in '{args.to}'."
        )
    paths = unsorted
    folders, unreadable, added = _place(model, sorter, paths)
    images = sum(folders.values())
    if args.json:
        counts = {"images": images, "added": added, "present": images - added}
        counts |= {"unsure": folders["unsure"], "failed": len(unreadable)}
        print_json(
            {"to": str(args.to), **counts, "folders": dict(folders), "unreadable": unreadable}
        )
    else:
        for folder, count in sorted(folders.items()):
            print_line(f"{count:6}  {args.to / folder}")
        print_line(f"{added} of {images} images were added, {images - added} were there.")
    return 1 if unreadable else 0


def _place(
    model: "Model", sorter: "Sorter", paths: list[Path]
) -> tuple[Counter[str], list[dict[str, str]], int]:
    """Put images into their folders; return counts by folder, what failed, and how many are new."""
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import classify

    folders: Counter[str] = Counter()
    unreadable: list[dict[str, str]] = []
    added = 0
    with progress(len(paths), "images") as bar:
        answers = classify(model, paths, k=1, batch=batch_size(len(paths)))
        for path, answer in answers:
            try:
                if isinstance(answer, ImageError):
                    raise answer
                placed = sorter.place(path, answer[0])
            except ImageError as error:
                unreadable.append({"path": str(path), "error": str(error)})
                print_note(str(error))
            else:
                folders[placed.folder] += 1
                added += placed.is_new
            bar.update()
    return folders, unreadable, added
