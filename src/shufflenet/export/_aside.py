"""Files that are needed for a moment: in a temporary folder, which may be full as any other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from shufflenet.errors import WriteError
from shufflenet.files import write_together

__all__ = ["written_aside"]


@contextmanager
def written_aside(contents: Mapping[str, bytes]) -> Iterator[Path]:
    """Write files to a new temporary folder, which is removed in the end.

    Args:
        contents: The content of each file by its name in that folder.

    Raises:
        WriteError: there is no place for them.
    """
    try:
        place = TemporaryDirectory(prefix="shufflenet-")
    except OSError as error:
        raise WriteError("a temporary folder", error.strerror or str(error)) from error
    with place as folder:
        write_together({Path(folder) / name: content for name, content in contents.items()})
        yield Path(folder)
