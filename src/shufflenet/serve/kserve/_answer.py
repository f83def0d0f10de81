"""The answer to an inference request: outputs computed from rows, and written as JSON and bytes.

Sources: as of ``_kserve_request``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.errors import NotClassified, SpecError
from shufflenet.runtimes import probabilities
from shufflenet.serve.kserve._request import Asked
from shufflenet.serve.kserve._signature import BOXES, EMBEDDINGS, LOGITS, PROBABILITIES
from shufflenet.spec import Card, Label

__all__ = ["Answer", "check_classes", "write_answer"]

_Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    """A body: JSON of so many bytes, then the binary data of its outputs, if any has."""

    body: bytes
    json_bytes: int
    is_binary: bool


def check_classes(asked: Asked) -> None:
    """Check how many classes are asked for in an output's stead.

    Raises:
        NotClassified: the output is none of classes.
        SpecError: it is fewer than one.
    """
    if asked.classes is None:
        return
    if asked.name in (EMBEDDINGS, BOXES):
        raise NotClassified(asked.name)
    if asked.classes < 1:
        raise SpecError("classification", asked.classes, "at least 1")


def write_answer(
    head: Mapping[str, object],
    asked: Sequence[Asked],
    rows: Mapping[str, _Rows],
    card: Card,
) -> Answer:
    """Write the outputs that a request asks for.

    Args:
        head: The model's name and version, and the request's identifier.
        asked: The outputs, in the order in which they are answered.
        rows: Logits ``(n, classes)``, or what a detector computes in their place, and embeddings
            ``(n, d)``, by their outputs' names, as far as they were computed.
        card: The model's card.
    """
    outputs, binaries = [], []
    for each in asked:
        values = (
            probabilities(rows[LOGITS], card.task)
            if each.name == PROBABILITIES
            else rows[LOGITS if each.name == BOXES else each.name]
        )
        output, binary = _write(each, values, card.labels)
        outputs.append(output)
        binaries.append(binary)
    text = json.dumps({**head, "outputs": outputs}).encode()
    is_binary = any(each.is_binary for each in asked)
    return Answer(b"".join((text, *binaries)), len(text), is_binary)


def _write(asked: Asked, values: _Rows, labels: Sequence[Label]) -> tuple[dict[str, object], bytes]:
    """Return an output's JSON and its binary data, which is empty if the JSON has the data."""
    if asked.classes is None:
        output: dict[str, object] = _tensor(asked.name, "FP32", values.shape)
        if not asked.is_binary:
            return output | {"data": values.ravel().tolist()}, b""
        binary = values.astype("<f4", copy=False).tobytes()
    else:
        classes = min(asked.classes, values.shape[1])
        texts = [text for row in values for text in _top(row, labels, classes)]
        output = _tensor(asked.name, "BYTES", (len(values), classes))
        if not asked.is_binary:
            return output | {"data": texts}, b""
        encoded = [text.encode() for text in texts]
        binary = b"".join(len(each).to_bytes(4, "little") + each for each in encoded)
    return output | {"parameters": {"binary_data_size": len(binary)}}, binary


def _tensor(name: str, datatype: str, shape: Sequence[int]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def _top(row: npt.NDArray[np.float32], labels: Sequence[Label], classes: int) -> list[str]:
    """Return ``value:index:label`` of the highest values of one image, highest first.

    A value has as many digits as tell it from the next float32.

    >>> _top(np.array([1, 2.5], np.float32), [Label("a", "ant"), Label("b", "bee")], 2)
    ['2.5:1:bee', '1.0:0:ant']
    """
    order = np.argsort(-row, kind="stable")[:classes]
    return [f"{row[at]!s}:{at}:{labels[at].name}" for at in order]
