"""Converts weights of other projects to checkpoints of this package, and back.

A project is recognized by the names in its file, never by shapes: the same shapes mean different
networks in different projects. A file that does not fit completely is refused.
"""

from shufflenet.convert._convert import Converted, convert_checkpoint
from shufflenet.convert._layouts import SOURCES, TARGETS
from shufflenet.convert._quantized import ConvertedInt8, convert_quantized
from shufflenet.convert._write import Written, write_layout

__all__ = [
    "SOURCES",
    "TARGETS",
    "Converted",
    "ConvertedInt8",
    "Written",
    "convert_checkpoint",
    "convert_quantized",
    "write_layout",
]
