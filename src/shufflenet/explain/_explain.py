"""Photos explained: their classes, where each was found, and pictures of that."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.explain._explainer import open_explainer
from shufflenet.explain._protocol import Evidence, Explainer
from shufflenet.preprocess import as_rgb, decode_as, resize_and_crop
from shufflenet.runtimes import Answering, Prediction, open_answering, top_k
from shufflenet.spec import Card

__all__ = ["Explained", "Explanation", "Explanations", "open_explanations"]


@dataclass(frozen=True, eq=False, slots=True)
class Explanation:
    """Where one class was found.

    Attributes:
        prediction: The class, and its probability.
        heat: The map ``(h', w')``, see ``Explainer``.
    """

    prediction: Prediction
    heat: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class Explained:
    """A photo and its explanations, the asked-for classes first, then the most probable ones.

    Attributes:
        photo: The whole photo as people are shown it: in RGB, upright.
        explanations: One for each class.
    """

    photo: Image.Image
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class Explanations:
    """A model that answers and explains.

    Attributes:
        answering: What tells the logits.
        explainer: What tells the maps.
    """

    answering: Answering
    explainer: Explainer

    @property
    def card(self) -> Card:
        """The model's card."""
        return self.explainer.card

    @property
    def evidence(self) -> Evidence:
        """What the maps are, see ``Explainer``."""
        return self.explainer.evidence

    def explain(
        self, source: str | Path | bytes, classes: Sequence[int] = (), *, top: int = 1
    ) -> Explained:
        """Explain a photo.

        Args:
            source: A path, or the bytes of an image file.
            classes: The indices of the classes to explain.
            top: How many of the most probable ones are explained too; 0 for none.

        Raises:
            ImageError: the photo cannot be read.
            SpecError: a class does not exist.
            CheckpointError: the model cannot be computed, or not to finite numbers.
        """
        how, labels = self.card.preprocess, self.card.labels
        decoded = decode_as(source, how)
        pixels = resize_and_crop(decoded, how)[None]
        logits = self.answering.rows(pixels)[0, : len(labels)]
        ranked = top_k(logits, self.card, len(labels))
        by_index = {prediction.index: prediction for prediction in ranked}
        chosen = list(dict.fromkeys([*classes, *(each.index for each in ranked[:top])]))
        maps = self.explainer.maps(pixels, np.array(chosen, np.int64).reshape(1, -1))[0]
        return Explained(
            as_rgb(decoded, how),
            tuple(
                Explanation(by_index[index], heat) for index, heat in zip(chosen, maps, strict=True)
            ),
        )

    def explain_each(
        self, sources: Iterable[str | Path | bytes], classes: Sequence[int] = (), *, top: int = 1
    ) -> Iterator[Explained | ImageError]:
        """Yield the explanations of each photo, or why it cannot be read; see ``explain``."""
        for source in sources:
            try:
                yield self.explain(source, classes, top=top)
            except ImageError as error:
                yield error


def open_explanations(path: str | Path, *, threads: int | None = None) -> Explanations:
    """Open a file to explain its answers.

    Args:
        path: A file that ``open_explainer`` opens.
        threads: The number of threads that compute a photo; one a core unless given.

    Raises:
        NeedsGradients: it is an ONNX file of a network that torch alone explains.
        MissingDependency: it is a checkpoint, and torch is not installed.
        CheckpointError: the file is missing, damaged, or has no card.
        SpecError: the number of threads is none that can be.
    """
    explainer = open_explainer(path, threads=threads)
    return Explanations(open_answering(path, threads=threads), explainer)
