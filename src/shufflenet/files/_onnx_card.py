"""The card of an ONNX file, compared with the file's shapes; published files have none inside."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from shufflenet.errors import CardMismatch, CardUnreadable, ChangedExport, NoCard, SpecError
from shufflenet.files._model_file import errors_of
from shufflenet.files._onnx_file import OnnxFile, Shape, hash_onnx_graph, read_onnx_file
from shufflenet.files._seal import SEAL_KEY
from shufflenet.spec import CARD_KEY, Card
from shufflenet.zoo import Weights, find_published, published_card

__all__ = [
    "card_from_metadata",
    "computes_int8",
    "read_onnx_card",
    "read_onnx_metadata",
]


def read_onnx_metadata(path: str | Path) -> dict[str, str]:
    """Read the metadata of an ONNX file.

    Raises:
        CheckpointError: the file is missing, unreadable or damaged.
    """
    return dict(read_onnx_file(path).metadata)


def read_onnx_card(path: str | Path) -> Card:
    """Read the card of an ONNX file, or make that of the published file that it is.

    Raises:
        CheckpointError: the file is missing or damaged, has a card of another network, or has no
            card and is no published file.
    """
    file = read_onnx_file(path)
    return card_from_metadata(path, file.metadata, file)[0]


def computes_int8(path: str | Path) -> bool:
    """Return whether an ONNX file computes in int8, as its card or the catalogue states.

    Raises:
        CheckpointError: the file is missing or damaged, or has no card and is no published file.
    """
    file = read_onnx_file(path)
    card, published = card_from_metadata(path, file.metadata, file)
    return card.int8 is not None or (published is not None and published.quantized)


def card_from_metadata(
    path: str | Path, metadata: Mapping[str, str], file: OnnxFile | None = None
) -> tuple[Card, Weights | None]:
    """Parse the card in an ONNX file's metadata, or make that of the published file that it is.

    Of a float file that holds the hash of its graph, that is checked: one changed weight may move
    logits by little, or those of few images.

    Args:
        path: The file.
        metadata: Its metadata.
        file: What was read of it; it is read here, unless given.

    Returns:
        The card, and the catalogue's entry if the file is a published one without a card.

    Raises:
        CardUnreadable: its card is damaged or of a newer version.
        CardMismatch: its card is of a network with other images or classes than the file's.
        ChangedExport: its graph is not the one that was exported.
        NoCard: it has no card, and is not a published file.
        CheckpointError: the file cannot be read.
    """
    try:
        card = Card.from_json(metadata[CARD_KEY])
    except (KeyError, SpecError) as error:
        with errors_of(path):
            published = find_published(path)
        if published is None:
            if isinstance(error, SpecError):
                raise CardUnreadable(path, error) from error
            raise NoCard(path) from error
        return published_card(published), published
    if differences := list(_differences(card, file or read_onnx_file(path))):
        raise CardMismatch(path, card.network.name, differences)
    if SEAL_KEY in metadata and metadata[SEAL_KEY] != hash_onnx_graph(path):
        raise ChangedExport(path)
    return card, None


def _differences(card: Card, file: OnnxFile) -> Iterator[str]:
    """Yield in what a file's input and output differ from its card; sizes may be left open.

    Of images that are not square, the longer side is that of the crop.
    """
    sides = card.preprocess.size_px if card.detector else _sides(card, file)
    for what, shape, wanted in (
        ("its input", file.input, (None, card.network.in_channels, *sides)),
        ("its output", file.output, (None, *card.row_shape)),
    ):
        if shape is None:
            continue
        pairs = zip(shape, wanted, strict=False)
        fits = all(size in (want, None) or want is None for size, want in pairs)
        if len(shape) != len(wanted) or not fits:
            yield f"{what} has shape {_shown(shape)}, not {_shown(wanted)}"


def _sides(card: Card, file: OnnxFile) -> Shape:
    """Return the height and the width of the images that a card is for: its own, or the file's."""
    sides, channels = card.preprocess.size_px, card.network.in_channels
    stated = file.input or ()
    if len(stated) != 4 or stated[1] != channels:
        return sides
    longer = max(each or 0 for each in stated[2:])
    return stated[2:] if longer == max(sides) else sides


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
