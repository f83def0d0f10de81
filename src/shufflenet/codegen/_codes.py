"""What the C functions of a compiled network return."""

from enum import IntEnum

__all__ = ["MESSAGES", "NO_CODE", "Code"]


class Code(IntEnum):
    """The codes, by the names that they have in C after the prefix."""

    OK = 0
    NULL_POINTER = 1
    MEMORY_TOO_SMALL = 2
    MEMORY_MISALIGNED = 3
    MEMORY_NOT_PREPARED = 4
    BAD_IMAGE_SIZE = 5
    BAD_STRIDE = 6
    UNSUPPORTED_PROCESSOR = 7
    BAD_COUNT = 8


# One sentence for each code. {P} is the prefix of the constants of the header.
MESSAGES: dict[Code, str] = {
    Code.OK: "The function has done its work.",
    Code.NULL_POINTER: "A pointer is null.",
    Code.MEMORY_TOO_SMALL: "The working memory has fewer than {P}_MEMORY_BYTES bytes.",
    Code.MEMORY_MISALIGNED: (
        "The working memory does not begin at a multiple of {P}_MEMORY_ALIGNMENT bytes."
    ),
    Code.MEMORY_NOT_PREPARED: "The working memory was not prepared for this network.",
    Code.BAD_IMAGE_SIZE: "Width or height is not from 1 to {P}_MOST_SOURCE_PX px.",
    Code.BAD_STRIDE: "No pixel has pixel_bytes bytes, or row_bytes is less than a row of pixels.",
    Code.UNSUPPORTED_PROCESSOR: "The processor lacks instructions that this file was compiled for.",
    Code.BAD_COUNT: "The number of classes is not from 1 to {P}_CLASSES.",
}
NO_CODE = "This is none of the codes."
