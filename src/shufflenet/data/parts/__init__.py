"""Images of any number, listed as a stream and cut into parts that are always the same.

Nothing here holds more than a part: folders are walked name by name, tables read row by row,
archives header by header and parquet files by their footers. The same source gives the same parts,
each with a fingerprint, so that what was done of them can be told later.
"""

from shufflenet.data.parts._open import Source, open_source
from shufflenet.data.parts._read import read_part
from shufflenet.data.parts._unit import Limits, Part, Totals, Unit, cut

__all__ = ["Limits", "Part", "Source", "Totals", "Unit", "cut", "open_source", "read_part"]
