"""The answers of a part as a parquet file, and the counts in its footer."""

import io
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.data.parts import Part
from shufflenet.errors import AnswersUnreadable, ImageError, MissingDependency, SpecError
from shufflenet.files.stores import Store
from shufflenet.outside import read_json, typed
from shufflenet.runtimes import top_k
from shufflenet.spec import Card

__all__ = ["Columns", "Counts", "answers_name", "answers_table", "read_counts", "require_pyarrow"]

Columns: TypeAlias = Literal["predictions", "logits", "embeddings"]
Row: TypeAlias = npt.NDArray[np.float32] | ImageError

_KEY = b"shufflenet.counts"
_MOST_KINDS, _OTHER = 20, "other reasons"
_LONGEST_KIND = 80  # characters


@dataclass(frozen=True, slots=True)
class Counts:
    """How many images were answered.

    Attributes:
        images: All, those that could not be read too.
        failed: Those that could not be read.
        failures: How many for each reason, without what differs from image to image.
    """

    images: int = 0
    failed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both; of many reasons the rarest become one.

        >>> Counts(2, 1, {"it is empty": 1}) + Counts(1, 1, {"it is empty": 1})
        Counts(images=3, failed=2, failures={'it is empty': 2})
        """
        both = Counter(self.failures) + Counter(other.failures)
        if len(both) > _MOST_KINDS:
            rest = both.pop(_OTHER, 0)
            kept = dict(both.most_common(_MOST_KINDS - 1))
            both = Counter(kept | {_OTHER: rest + both.total() - sum(kept.values())})
        return Counts(self.images + other.images, self.failed + other.failed, dict(both))

    def fields(self) -> dict[str, object]:
        """Return the counts as JSON has them."""
        return {"images": self.images, "failed": self.failed, "failures": dict(self.failures)}

    @staticmethod
    def from_fields(fields: Mapping[str, object]) -> "Counts":
        """Return the counts that ``fields`` wrote.

        Raises:
            SpecError: a field is missing, or of another type.
        """
        images, failed = (typed(fields.get(name), int, name) for name in ("images", "failed"))
        return Counts(images, failed, typed(fields.get("failures"), dict[str, int], "failures"))


def count(rows: Sequence[Row]) -> Counts:
    """Count answers; a reason's numbers and names are left out.

    >>> count([ImageError("a", "it has 0 x 9 pixels"), ImageError("b", "it has 7 x 0 pixels")])
    Counts(images=2, failed=2, failures={'it has N x N pixels': 2})
    """
    problems = [row.problem for row in rows if isinstance(row, ImageError)]
    kinds = Counter(re.sub(r"\d+", "N", problem)[:_LONGEST_KIND] for problem in problems)
    return Counts() + Counts(len(rows), len(problems), dict(kinds))


def require_pyarrow() -> None:
    """Import pyarrow, in which answers are written.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import_module("pyarrow")
        import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise MissingDependency("Scoring", "pyarrow", "score") from error


def answers_name(part: Part) -> str:
    """Return the name of the file of a part's answers, which its number and units determine."""
    return f"part-{part.number:09}-{part.fingerprint}.parquet"


def answers_table(
    names: Sequence[str], rows: Sequence[Row], columns: Columns, card: Card, top: int
) -> tuple[bytes, Counts]:
    """Return the parquet file of answers, and their counts, which its footer holds too.

    Args:
        names: Of the images. What is not UTF-8 in one is written as an escape.
        rows: Logits or embeddings ``(d,)`` of each, or why it could not be read.
        columns: What is written of them.
        card: The model's card.
        top: How many classes a prediction names.
    """
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    paths = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]
    errors = [row.problem if isinstance(row, ImageError) else None for row in rows]
    answers = (
        _predictions(arrow, rows, card, top)
        if columns == "predictions"
        else {columns: _vectors(arrow, rows)}
    )
    columns_of: dict[str, Any] = {"path": arrow.array(paths, arrow.string())}
    columns_of |= answers | {"error": arrow.array(errors, arrow.string())}
    table = arrow.table(columns_of)
    counts = count(rows)
    noted = json.dumps(counts.fields())
    content = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({_KEY: noted}), content, compression="zstd")
    return content.getvalue(), counts


def _predictions(arrow: Any, rows: Sequence[Row], card: Card, top: int) -> dict[str, Any]:  # noqa: ANN401  # pyarrow has no types
    found = [None if isinstance(row, ImageError) else top_k(row, card, top) for row in rows]
    return {
        "index": arrow.array(
            [each and [p.index for p in each] for each in found], arrow.list_(arrow.int32())
        ),
        "label": arrow.array(
            [each and [p.label for p in each] for each in found], arrow.list_(arrow.string())
        ),
        "probability": arrow.array(
            [each and [p.probability for p in each] for each in found],
            arrow.list_(arrow.float32()),
        ),
    }


def _vectors(arrow: Any, rows: Sequence[Row]) -> Any:  # noqa: ANN401  # likewise
    """Return vectors as a column of lists; null where an image could not be read."""
    read = [row for row in rows if not isinstance(row, ImageError)]
    flat = np.concatenate(read) if read else np.empty(0, np.float32)
    sizes = [0 if isinstance(row, ImageError) else len(row) for row in rows]
    ends = np.cumsum([0, *sizes]).astype(np.int32)
    missing = [isinstance(row, ImageError) for row in rows]
    return arrow.ListArray.from_arrays(
        arrow.array(ends), arrow.array(flat, arrow.float32()), mask=arrow.array(missing)
    )


def read_counts(store: Store, path: str) -> Counts:
    """Read the counts of a file of answers from its footer.

    Raises:
        AnswersUnreadable: the file is damaged.
    """
    parquet = import_module("pyarrow.parquet")
    try:
        with store.open(path) as file:
            noted = parquet.read_metadata(file).metadata[_KEY]
        fields = typed(read_json(noted, "the counts"), dict[str, object], "the counts")
        return Counts.from_fields(fields)
    except (SpecError, KeyError, TypeError, ValueError, OSError) as error:
        raise AnswersUnreadable(path, error) from error
