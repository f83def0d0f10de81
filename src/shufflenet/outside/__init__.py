"""What comes from outside: regular files opened, JSON read strictly, its values checked."""

from shufflenet.outside._files import IrregularFile, open_regular, read_regular
from shufflenet.outside._json import read_json
from shufflenet.outside._typed import typed

__all__ = ["IrregularFile", "open_regular", "read_json", "read_regular", "typed"]
