"""What a name or a file means to ``show`` and ``card``."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shufflenet.spec import FORMATS, Card, NetworkSpec

if TYPE_CHECKING:
    from shufflenet.zoo import Weights

__all__ = ["Entry", "look_up"]


class Entry(NamedTuple):
    """What a name refers to: a network, and the card or the published file if it has one.

    ``file`` is the name of the model's file without its folder; empty if it has none of its own.
    """

    name: str
    network: NetworkSpec
    card: Card | None = None
    weights: "Weights | None" = None
    file: str = ""


def look_up(name: str) -> Entry:
    """Find a network or a published file by name, or a model's card by name or file."""
    from shufflenet.files import read_card, read_onnx_card
    from shufflenet.hub import ONNX
    from shufflenet.runtimes import read_file_card
    from shufflenet.zoo import DEFAULT, NETWORKS, WEIGHTS, find_weights

    if name in NETWORKS:
        return Entry(name, NETWORKS[name])
    if name in WEIGHTS:
        return Entry(name, NETWORKS[WEIGHTS[name].network], weights=WEIGHTS[name])
    others = {form.suffix for form in FORMATS.values()} - {ONNX}
    if Path(name).suffix.lower() in others:
        card = read_file_card(name)
        return Entry(card.name, card.network, card, file=Path(name).name)
    files = find_weights(name)
    card = read_card(files.checkpoint) if files.checkpoint else read_onnx_card(files.onnx or name)
    file = "" if name == DEFAULT else Path(files.checkpoint or files.onnx or name).name
    return Entry(card.name, card.network, card, file=file)
