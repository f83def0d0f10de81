"""A model of which a card is written."""

import re
from dataclasses import dataclass

from shufflenet.spec import Card
from shufflenet.zoo import Weights

__all__ = ["CardedModel"]

# File names that a shell, Python and JavaScript take as they are.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


@dataclass(frozen=True, slots=True)
class CardedModel:
    """What is known of a model.

    Attributes:
        card: The card in its file; of a published checkpoint, what the catalog says.
        source: What the commands of this package take: the name of a file, or of a checkpoint.
        weights: The catalog's entry of a published checkpoint.
    """

    card: Card
    source: str
    weights: Weights | None = None

    @property
    def suffix(self) -> str:
        """The suffix of the file, such as ``.onnx``; empty for the name of a checkpoint."""
        _, point, suffix = self.source.lower().rpartition(".")
        return "" if self.weights else point + suffix if point else ""

    @property
    def shown(self) -> str:
        """The source as examples write it; a file of a name that needs quotes is ``model`` there.

        >>> [_shown(name) for name in ("a-1.onnx", "a'b.onnx", "a b.tflite")]
        ['a-1.onnx', 'model.onnx', 'model.tflite']
        """
        return _shown(self.source)

    @property
    def exports(self) -> bool:
        """Whether ``shufflenet export`` can make an ONNX file of it."""
        return self.weights.convertible if self.weights else self.suffix in ("", ".safetensors")


def _shown(source: str) -> str:
    if _PLAIN.fullmatch(source):
        return source
    suffix = source.rpartition(".")[2]
    return f"model.{suffix}" if suffix.isascii() and suffix.isalnum() else "model"
