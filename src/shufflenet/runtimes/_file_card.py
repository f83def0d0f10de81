"""What an exported file says of itself, read without computing it."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from shufflenet.errors import (
    CardUnreadable,
    MissingDependency,
    NoCard,
    NotVerifiable,
    SpecError,
)
from shufflenet.files import check_model_file, read_onnx_metadata
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._proof import PRECISION_KEY
from shufflenet.spec import CARD_KEY, FORMATS, RUNTIMES, Card, Precision, Runtime

__all__ = ["file_metadata", "read_file_card", "stated_precision"]


def read_file_card(path: str | Path) -> Card:
    """Read the card of an exported file of any format but ONNX, without computing it.

    Raises:
        CardUnreadable: its card is damaged or of a newer version.
        NoCard: it has no card.
        CheckpointError: it is missing or damaged.
        MissingDependency: reading it needs a runtime that is not installed.
        NotVerifiable: it is of no format that holds a card.
    """
    path = Path(path)
    suffixes = [form.suffix for form in FORMATS.values()]
    opening = [each for each in RUNTIMES.values() if path.suffix.lower() in each.suffixes]
    if path.suffix.lower() not in suffixes or not opening:
        raise NotVerifiable(path, suffixes)
    check_model_file(path)
    try:
        return Card.from_json(file_metadata(path, opening[0])[CARD_KEY])
    except KeyError as error:
        raise NoCard(path) from error
    except SpecError as error:
        raise CardUnreadable(path, error) from error
    except ModuleNotFoundError as error:
        raise MissingDependency(*missing_package(opening[0], error)) from error


def file_metadata(path: Path, runtime: Runtime) -> Mapping[str, str]:
    """Return the metadata of a file.

    That its network is the one that was written a runtime checks when it opens it.

    Raises:
        CheckpointError: the file is missing, unreadable or damaged.
    """
    if path.suffix.lower() != ".onnx":
        read: Callable[[Path], dict[str, str]] | None = getattr(
            import_module(runtime.module), "read_metadata", None
        )
        return read(path) if read else {}
    return read_onnx_metadata(path)


def stated_precision(path: Path, runtime: Runtime) -> Precision:
    """Return the numbers in which an exported file computes, as it says; float32 if it does not.

    Raises:
        CheckpointError: the file is missing, unreadable or damaged.
    """
    stated = file_metadata(path, runtime).get(PRECISION_KEY)
    known: tuple[Precision, ...] = ("float16", "int8")
    return next((each for each in known if each == stated), "float32")
