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
from shufflenet.files import check_model_file, check_onnx_graph, read_onnx_metadata
from shufflenet.runtimes._classifier import missing_package
from shufflenet.spec import CARD_KEY, FORMATS, RUNTIMES, Card, Runtime

__all__ = ["file_metadata", "read_file_card"]


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
    """Return the metadata of a file, whose network is the one that was written.

    Raises:
        ChangedExport: it is another. Of all formats but ONNX the runtime said so when it opened.
    """
    if path.suffix.lower() != ".onnx":
        read: Callable[[Path], dict[str, str]] | None = getattr(
            import_module(runtime.module), "read_metadata", None
        )
        return read(path) if read else {}
    metadata = read_onnx_metadata(path)
    check_onnx_graph(path, metadata)
    return metadata
