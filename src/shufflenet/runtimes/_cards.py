"""The card in the metadata of an exported file, of any format but ONNX."""

from collections.abc import Mapping
from pathlib import Path

from shufflenet.errors import CardUnreadable, NoCard, SpecError
from shufflenet.files import check_seal
from shufflenet.spec import CARD_KEY, Card

__all__ = ["open_card"]


def open_card(path: str | Path, metadata: Mapping[str, str], contents: Mapping[str, bytes]) -> Card:
    """Return the card of a file that is as it was written.

    Args:
        path: The file.
        metadata: The texts that it holds, or that are beside it.
        contents: The content of each of its files by its name, the card beside it among them.

    Raises:
        NoCard: it holds none.
        CardUnreadable: its card is damaged or of a newer version.
        ChangedExport: a byte was changed, or one of the files is another's.
    """
    if CARD_KEY not in metadata:
        raise NoCard(path)
    try:
        card = Card.from_json(metadata[CARD_KEY])
    except SpecError as error:
        raise CardUnreadable(path, error) from error
    check_seal(path, metadata, contents)
    return card
