"""The card in the metadata of an exported file, of any format but ONNX."""

from collections.abc import Mapping
from pathlib import Path

from shufflenet.errors import CardUnreadable, NoCard, RunsNoDetectors, SpecError
from shufflenet.files import check_seal
from shufflenet.spec import CARD_KEY, RUNTIMES, Card

__all__ = ["check_runs", "open_card"]


def open_card(path: str | Path, metadata: Mapping[str, str], contents: Mapping[str, bytes]) -> Card:
    """Return the card of a classifier's file that is as it was written.

    Args:
        path: The file.
        metadata: The texts that it holds, or that are beside it.
        contents: The content of each of its files by its name, the card beside it among them.

    Raises:
        NoCard: it holds none.
        CardUnreadable: its card is damaged or of a newer version.
        RunsNoDetectors: it is a detector's, which is written as ONNX alone.
        ChangedExport: a byte was changed, or one of the files is another's.
    """
    if CARD_KEY not in metadata:
        raise NoCard(path)
    try:
        card = Card.from_json(metadata[CARD_KEY])
    except SpecError as error:
        raise CardUnreadable(path, error) from error
    suffix = Path(path).suffix.lower()
    titles = (each.title for each in RUNTIMES.values() if suffix in each.suffixes)
    check_runs(card, path, next(titles, suffix))
    check_seal(path, metadata, contents)
    return card


def check_runs(card: Card, path: str | Path, runtime: str) -> None:
    """Check that a file holds a classifier, which every runtime computes.

    Raises:
        RunsNoDetectors: it holds a detector.
    """
    if card.detector is not None:
        raise RunsNoDetectors(path, runtime)
