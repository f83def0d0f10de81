"""What comes from outside: regular files and zip files opened, JSON read, its values checked."""

from shufflenet.outside._files import IrregularFile, open_regular, read_regular
from shufflenet.outside._json import read_json
from shufflenet.outside._kinds import FileKind, check_kind, folder_kind, kind_of
from shufflenet.outside._typed import typed

__all__ = [
    "FileKind",
    "IrregularFile",
    "check_kind",
    "folder_kind",
    "kind_of",
    "open_regular",
    "read_json",
    "read_regular",
    "typed",
]
