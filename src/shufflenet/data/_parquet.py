"""Reading parquet as the Hugging Face Hub stores images: bytes and a label in each row."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import pyarrow
from pyarrow.parquet import ParquetFile

from shufflenet.data._label_sets import BAR, split_labels, with_label_sets
from shufflenet.data._labels import Label, with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._spool import most_bytes, open_spool
from shufflenet.errors import (
    DataError,
    OneRightClass,
    ParquetColumnMissing,
    ParquetColumnWithoutBytes,
    ParquetPathOutside,
    ParquetRowEmpty,
    ParquetUnreadable,
    ShardsDisagree,
)
from shufflenet.outside import read_json, typed
from shufflenet.spec import Task

__all__ = ["read_parquet"]

_COLUMNS = ["image", "label"]
_ROWS_PER_BATCH = 64
_BUFFER_BYTES = 1 << 20  # read at once; by default a column's chunk is, which may be gigabytes


def read_parquet(source: str, paths: Sequence[Path], task: Task | None = None) -> ImageSet:
    """List the images of parquet files that belong together.

    Rows are compressed in groups of hundreds, too many to decompress for every image in random
    order. Images are therefore copied to a temporary file, which is deleted with the set. A row
    without bytes names a file, relative to the folder of the parquet file and below it: a stranger
    may have written the table.

    The set is multi-label if labels are lists, or text that holds a ``|`` anywhere; unless ``task``
    says what it is.

    Raises:
        OneRightClass: labels are lists, and ``task`` is classification.
        ParquetUnreadable: a file is not parquet, truncated, or holds what no such file does.
        ShardsDisagree: the files list different classes.
        DataError: columns, images or labels are missing.
    """
    spool = open_spool(".images")
    images: list[tuple[Sample, object]] = []
    lists: list[list[str] | None] = []
    for path in paths:
        try:
            with ParquetFile(path, buffer_size=_BUFFER_BYTES) as file:
                lists.append(_class_names(path, file.schema_arrow))
                if lists[-1] != lists[0]:
                    raise ShardsDisagree(source)
                images += _rows(path, file, spool)
        except DataError:
            raise
        except Exception as error:  # pyarrow raises anything on a damaged file
            raise ParquetUnreadable(path, error) from error
    spool.flush()
    return replace(_with_labels(source, images, lists[0], task), spool=spool)


def _with_labels(
    source: str,
    images: Sequence[tuple[Sample, object]],
    names: list[str] | None,
    task: Task | None,
) -> ImageSet:
    """Label images as the column does: a number, a text or a list of these for each.

    Raises:
        OneRightClass: labels are lists, and ``task`` is classification.
    """
    are_lists = any(isinstance(label, list) for _, label in images)
    if are_lists and task == "classification":
        raise OneRightClass(source)
    has_bars = any(isinstance(label, str) and BAR in label for _, label in images)
    if not (are_lists or task == "multi-label" or (has_bars and task is None)):
        return with_labels(source, cast("Sequence[tuple[Sample, Label]]", images), names)
    sets = [(sample, _labels(source, sample, label)) for sample, label in images]
    return with_label_sets(source, sets, names)


def _labels(source: str, sample: Sample, label: object) -> Sequence[int | str]:
    if isinstance(label, str):
        return split_labels(source, sample.name, label)
    return (
        []
        if label is None
        else cast("list[int | str]", label if isinstance(label, list) else [label])
    )


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
    value = read_json((schema.metadata or {}).get(b"huggingface", b"{}"), "the schema")
    for key in ("info", "features", "label"):
        value = value.get(key) if isinstance(value, dict) else None
    value = value[0] if isinstance(value, list) and value else value  # of lists, as once written
    value = value.get("feature", value) if isinstance(value, dict) else value  # and as now
    value = value.get("names") if isinstance(value, dict) else None
    return None if value is None else list(typed(value, tuple[str, ...], "the names of classes"))


def _rows(path: Path, file: Any, spool: IO[bytes]) -> Iterator[tuple[Sample, object]]:  # noqa: ANN401  # likewise
    row, limit = 0, spool.tell() + most_bytes(path, spool)
    for batch in file.iter_batches(_ROWS_PER_BATCH, columns=_COLUMNS):
        image = batch.column("image")
        contents, files, labels = image.field("bytes"), image.field("path"), batch.column("label")
        for content, name, label in zip(
            contents, files.to_pylist(), labels.to_pylist(), strict=True
        ):
            row += 1
            title = f"{path.name}, row {row}" + (f", {name}" if name else "")
            each = label if isinstance(label, list) else [label]
            if label is not None and any(type(one) not in (int, str) for one in each):
                raise ValueError(f"the label in row {row} is neither a whole number nor text")
            if content.is_valid:
                if spool.tell() + len(content.as_buffer()) > limit:
                    raise ValueError(f"it holds more than {limit / 1e6:.0f} MB of images")
                offset, size = spool.tell(), spool.write(content.as_buffer())
                yield Sample(title, -1, spool.name, offset, size), label
            elif name:
                yield Sample(title, -1, str(_inside(path, name))), label
            else:
                raise ParquetRowEmpty(path, row)


def _inside(path: Path, name: str) -> Path:
    """Return the file that a row names.

    Raises:
        ParquetPathOutside: it is not below the folder of the parquet file.
    """
    folder = path.parent.resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        raise ParquetPathOutside(path, name)
    return file
