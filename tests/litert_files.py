"""LiteRT files of any program, written without the gate, for the tests of what writes and reads."""

from pathlib import Path

import onnx
import pytest

from conftest import card_for
from shufflenet.export import ExportOptions, Request
from shufflenet.files import SEAL_KEY, UNSEALED, seal
from shufflenet.graph import read_program
from shufflenet.spec import CARD_KEY, Card, Precision, Stage, V2Spec

pytest.importorskip("ai_edge_litert")
from shufflenet.export._litert import write  # export_file adds the gate, which compares

CLASSES = 5  # of random_graphs
CARD = card_for(
    V2Spec(name="random", stages=(Stage(channels=4, repeats=1),), head_channels=4, classes=CLASSES)
)


def sealed_again(content: bytes, digest: str) -> bytes:
    """Return changed bytes of a file as a stranger would seal them.

    Args:
        content: The bytes; they still hold the hash once, or are returned as they are.
        digest: The hash that the file held.
    """
    if content.count(digest.encode()) != 1:
        return content
    (sealed,) = seal({"a.tflite": content.replace(digest.encode(), UNSEALED.encode())}).values()
    return sealed


def write_litert(
    model: onnx.ModelProto,
    path: Path,
    *,
    card: Card = CARD,
    precision: Precision = "float32",
    size: tuple[int, int] = (32, 32),
) -> Path:
    request = Request(
        card=card,
        metadata={CARD_KEY: card.to_json(), SEAL_KEY: UNSEALED},
        stem=path.stem,
        precision=precision,
        size=size,
        options=ExportOptions(),
        onnx=b"",
    )
    (content,) = seal(write(read_program(model, 1, size), request)).values()
    path.write_bytes(content)
    return path
