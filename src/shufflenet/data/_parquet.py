"""Reading parquet as the Hugging Face Hub stores images: bytes and a label in each row."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pyarrow
from pyarrow.parquet import ParquetFile

from shufflenet.data._labels import Label, with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import (
    ParquetColumnMissing,
    ParquetColumnWithoutBytes,
    ParquetRowEmpty,
    ParquetUnreadable,
)

__all__ = ["read_parquet"]

_COLUMNS = ["image", "label"]
_ROWS_PER_BATCH = 64


def read_parquet(source: str, paths: Sequence[Path]) -> ImageSet:
    """List the images of parquet files that belong together.

    Rows are compressed in groups of hundreds, too many to decompress for every image in random
    order. Images are therefore copied to a temporary file, which is deleted with the set. A row
    without bytes names a file, relative to the folder of the parquet file.

    Raises:
        ParquetUnreadable: a file is not parquet, or truncated.
        DataError: columns, images or labels are missing.
    """
    spool = tempfile.NamedTemporaryFile(prefix="shufflenet-", suffix=".images")  # noqa: SIM115  # lives as long as the set
    images: list[tuple[Sample, Label]] = []
    names: list[str] | None = None
    for path in paths:
        try:
            with ParquetFile(path) as file:
                names = _class_names(path, file.schema_arrow)
                images += _rows(path, file, spool)
        except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: no JSON
            raise ParquetUnreadable(path, error) from error
    spool.flush()
    return replace(with_labels(source, images, names), spool=spool)


def _class_names(path: Path, schema: Any) -> list[str] | None:  # noqa: ANN401  # pyarrow has no types
    """Return the names of the classes where the Hub's libraries write them, or None.

    Source: datasets 5.2.0, arrow_writer.py, ``_build_metadata``.

    Raises:
        ParquetColumnMissing: the column image or label is missing.
        ParquetColumnWithoutBytes: the column image is not of bytes and paths.
    """
    for name in _COLUMNS:
        if name not in schema.names:
            raise ParquetColumnMissing(path, name)
    image = schema.field("image").type
    if not pyarrow.types.is_struct(image) or {"bytes", "path"} - {f.name for f in image}:
        raise ParquetColumnWithoutBytes(path)
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    features = json.loads(text).get("info", {}).get("features", {})
    names: list[str] | None = features.get("label", {}).get("names")
    return names


def _rows(path: Path, file: Any, spool: IO[bytes]) -> Iterator[tuple[Sample, Label]]:  # noqa: ANN401  # likewise
    row = 0
    for batch in file.iter_batches(_ROWS_PER_BATCH, columns=_COLUMNS):
        image = batch.column("image")
        contents, files, labels = image.field("bytes"), image.field("path"), batch.column("label")
        for content, name, label in zip(
            contents, files.to_pylist(), labels.to_pylist(), strict=True
        ):
            row += 1
            title = f"{path.name}, row {row}" + (f", {name}" if name else "")
            if content.is_valid:
                offset, size = spool.tell(), spool.write(content.as_buffer())
                yield Sample(title, -1, spool.name, offset, size), label
            elif name:
                yield Sample(title, -1, str(path.parent / name)), label
            else:
                raise ParquetRowEmpty(path, row)
