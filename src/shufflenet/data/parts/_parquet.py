"""Groups of rows of parquet files: listed by the footers, read row by row."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from shufflenet.data._tables import PATH_COLUMNS
from shufflenet.data.parts._unit import Unit
from shufflenet.errors import (
    DataError,
    ImageColumnMissing,
    MissingDependency,
    ParquetPathOutside,
    ParquetUnreadable,
)
from shufflenet.files.stores import Store, is_address, join

__all__ = ["list_row_groups", "read_rows"]

_ADDRESSES = ("url", "uri", "image_url", "img_url", "image_uri", "s3_uri", "address")
_ROWS_PER_BATCH = 32
_BUFFER_BYTES = 1 << 20  # read at once; by default a column's chunk is, which may be gigabytes


def list_row_groups(store: Store, unit: Unit) -> Iterator[Unit]:
    """List the groups of rows of a parquet file.

    Args:
        store: Where it is.
        unit: The file; its name goes before the numbers of its rows.

    Raises:
        ParquetUnreadable: it is not parquet, or truncated.
        ImageColumnMissing: it has no column of images or their addresses.
        MissingDependency: pyarrow is not installed.
    """
    with _opened(store, unit.at) as file:
        _column(unit.at, file.schema_arrow)
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            if group.num_rows:
                yield Unit(
                    unit.name, unit.at, "rows", number, group.total_byte_size, group.num_rows,
                    unit.version,
                )  # fmt: skip


def read_rows(store: Store, unit: Unit) -> Iterator[tuple[str, bytes | str | None]]:
    """Read the images of a group of rows.

    Yields:
        The name of each row, ``FILE#ROW`` counted from 0, and the bytes of its image, or the path
        or address of its file; None if it has neither.

    Raises:
        ParquetUnreadable: the file is damaged.
        ParquetPathOutside: a row names a file that is not below the folder of the parquet file.
        ValueError: never; it becomes the first.
    """
    with _opened(store, unit.at) as file:
        name, kind = _column(unit.at, file.schema_arrow)
        row = sum(file.metadata.row_group(n).num_rows for n in range(unit.start))
        end = row + file.metadata.row_group(unit.start).num_rows
        batches = file.iter_batches(_ROWS_PER_BATCH, row_groups=[unit.start], columns=[name])
        for batch in batches:
            column = batch.column(0)
            contents = column.field("bytes") if kind == "struct" else column
            paths = column.field("path") if kind == "struct" else column
            for at in range(len(batch)):
                title = f"{unit.name}#{row}"
                row += 1
                if kind != "text" and contents[at].is_valid:
                    yield title, contents[at].as_buffer().to_pybytes()
                else:
                    path = paths[at].as_py() if kind != "bytes" else None
                    yield title, _inside(unit.at, path) if path else None
        if row != end:  # pyarrow returns fewer of some damaged files, without a word
            raise ValueError(f"row group {unit.start} lacks {end - row} of its rows")


def _opened(store: Store, path: str) -> "_Guarded":
    try:
        import_module("pyarrow")
    except ModuleNotFoundError as error:
        raise MissingDependency("Reading parquet", "pyarrow", "score") from error
    return _Guarded(store, path)


class _Guarded:
    """An open parquet file; whatever pyarrow raises about it is one error."""

    def __init__(self, store: Store, path: str) -> None:
        self._store, self._path = store, path

    def __enter__(self) -> Any:  # noqa: ANN401  # pyarrow has no types
        try:
            self._content = self._store.open(self._path)
            opened = import_module("pyarrow.parquet").ParquetFile
            return opened(self._content, buffer_size=_BUFFER_BYTES)
        except Exception as error:
            raise ParquetUnreadable(self._path, error) from error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._content.close()
        if isinstance(error, Exception) and not isinstance(error, DataError | ImageColumnMissing):
            raise ParquetUnreadable(self._path, error) from error


def _column(path: str, schema: Any) -> tuple[str, str]:  # noqa: ANN401  # likewise
    """Return the column of images, and whether it is ``struct``, ``bytes`` or ``text``.

    Raises:
        ImageColumnMissing: there is none.
    """
    types = import_module("pyarrow").types
    names = {each.name.lower(): each for each in schema}
    for name in ("image", *PATH_COLUMNS, *_ADDRESSES):
        column = names.get(name)
        if column is None:
            continue
        kind = column.type
        if types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}:
            return column.name, "struct"
        if types.is_binary(kind) or types.is_large_binary(kind):
            return column.name, "bytes"
        if types.is_string(kind) or types.is_large_string(kind):
            return column.name, "text"
    raise ImageColumnMissing(path)


def _inside(path: str, name: str) -> str:
    """Return the file that a row names: an address, or below the folder of the parquet file.

    Raises:
        ParquetPathOutside: it is elsewhere.
    """
    if is_address(name):
        return name
    if name.startswith("/") or ".." in name.replace("\\", "/").split("/"):
        raise ParquetPathOutside(path, name)
    return join(path.rpartition("/")[0], name)
