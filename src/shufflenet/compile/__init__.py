"""A network as a file of machine code for any processor, with an interface for C, or as a web page.

Nothing is run but what the file holds: no runtime, no C library. ``compile_network`` writes it.
"""

from shufflenet.compile._compile import compile_network
from shufflenet.compile._order import CompiledFile
from shufflenet.compile._targets import HOST, WEB, find_target, object_format
from shufflenet.compile._words import words_of

__all__ = [
    "HOST",
    "WEB",
    "CompiledFile",
    "compile_network",
    "find_target",
    "object_format",
    "words_of",
]
