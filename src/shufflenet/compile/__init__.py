"""A network as a file of machine code for any processor, with an interface for C, or as a web page.

Nothing is run but what the file holds: no runtime, no C library. ``compile_network`` writes it.
"""

from shufflenet.compile._compile import check_order, compile_network, compile_order
from shufflenet.compile._order import CompiledFile, Order
from shufflenet.compile._targets import HOST, WEB, binaries_of, find_target, object_format
from shufflenet.compile._words import words_of

__all__ = [
    "HOST",
    "WEB",
    "CompiledFile",
    "Order",
    "binaries_of",
    "check_order",
    "compile_network",
    "compile_order",
    "find_target",
    "object_format",
    "words_of",
]
