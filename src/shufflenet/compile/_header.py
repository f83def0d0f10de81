"""The C header of a compiled network."""

import textwrap
from dataclasses import dataclass

from shufflenet.codegen import MESSAGES, Code
from shufflenet.labels import printable
from shufflenet.spec import Card, Preprocess

__all__ = ["Sizes", "header"]

_WIDTH = 96
_PHOTO = (
    "const uint8_t *pixels, int32_t width, int32_t height,\n"
    "    ptrdiff_t row_bytes, int32_t pixel_bytes"
)
_OF_PHOTO = (
    "pixels points to the first pixel of the top row; a pixel is pixel_bytes bytes: {PIXEL}. "
    "row_bytes leads from a row to the one below; "
    "it is negative where rows are stored from the bottom up. "
)

_PIXELS = {
    1: "1, its gray level",
    3: "3, red, green and blue, or 4 of which the last is passed over",
}
_BYTES = {
    "rgb": "RGB bytes",
    "bgr": "RGB bytes",
    "gray": "gray levels",
    "rgba": "RGBA bytes",
    "stored": "bytes, a pixel's channels side by side",
}

# The functions in the order of the header: what each returns and takes, and what it does.
# {P} is the prefix of constants; {PIXEL} is what a pixel of a photo has, {BYTES} what bytes are.
_FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "prepare": (
        "int32_t",
        "void *memory, size_t bytes",
        "Prepares working memory: {P}_MEMORY_BYTES bytes that begin at a multiple of "
        "{P}_MEMORY_ALIGNMENT. Once, before other functions are given it. Nothing has to be freed. "
        "Prepared memory may be copied and moved.",
    ),
    "classify": (
        "int32_t",
        f"void *memory, {_PHOTO},\n    float *probabilities",
        "Computes the probabilities of all classes, float[{P}_CLASSES], of a photo of any size up "
        f"to {{P}}_MOST_SOURCE_PX px a side. {_OF_PHOTO}"
        "The photo is resized, and cropped or padded, as this network was trained on. A photo that "
        "its camera stored rotated has to be rotated before.",
    ),
    "resize": (
        "int32_t",
        f"void *memory, {_PHOTO},\n    uint8_t *cropped",
        "Resizes, and crops or pads, a photo as `classify` does, to {BYTES}, "
        "uint8_t[{P}_HEIGHT][{P}_WIDTH][{P}_CHANNELS].",
    ),
    "logits": (
        "int32_t",
        "void *memory, const uint8_t *cropped, float *logits",
        "Computes the logits of all classes, float[{P}_CLASSES], of {BYTES}, "
        "uint8_t[{P}_HEIGHT][{P}_WIDTH][{P}_CHANNELS], which it normalizes.",
    ),
    "logits_of_image": (
        "int32_t",
        "void *memory, const float *image, float *logits",
        "Computes the logits of all classes, float[{P}_CLASSES], of an image that was normalized "
        "already, float[{P}_CHANNELS][{P}_HEIGHT][{P}_WIDTH].",
    ),
    "top": (
        "int32_t",
        "const float *values, int32_t k, int32_t *classes",
        "Writes the classes of the k largest of {P}_CLASSES values, the largest first and of equal "
        "ones the lower class, to int32_t[k].",
    ),
    "label": (
        "const char *",
        "int32_t class_",
        "Returns the name of a class, UTF-8; NULL if there is no such class.",
    ),
    "label_id": (
        "const char *",
        "int32_t class_",
        "Returns the identifier of a class in data sets; NULL if there is no such class.",
    ),
    "message": ("const char *", "int32_t code", "Returns one sentence that explains a code."),
    "card": (
        "const char *",
        "void",
        "Returns the card of the network as JSON: labels, preprocessing, origin, accuracy.",
    ),
    "proof": (
        "const char *",
        "void",
        "Returns JSON: the sizes above, and the logits of one image, by which `shufflenet verify` "
        "checks this file.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The constants of a header.

    Attributes:
        shape: Channels, height and width of images, px.
        memory_bytes: Bytes of working memory.
        alignment: What its address must be a multiple of.
        most_source_px: The longest side of a photo; 0 if photos are not taken.
    """

    shape: tuple[int, int, int]
    memory_bytes: int
    alignment: int
    most_source_px: int


def header(card: Card, sizes: Sizes, names: list[str], prefix: str, target: str) -> str:
    """Return the header of a compiled network, for C99 and later and for C++.

    Args:
        card: The network's card.
        sizes: What its constants are.
        names: The functions that there are, without the prefix.
        prefix: The prefix of functions; that of constants is the same in capitals.
        target: What the network was compiled for.
    """
    upper = prefix.upper()
    parts = [
        _about(card, sizes, names, prefix, target),
        f"#ifndef {upper}_H\n#define {upper}_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
        '#ifdef __cplusplus\nextern "C" {\n#endif',
        _constants(card, sizes, upper),
        *(_function(name, prefix, card.preprocess) for name in names),
        f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {upper}_H */\n",
    ]
    return "\n\n".join(parts)


def _about(card: Card, sizes: Sizes, names: list[str], prefix: str, target: str) -> str:
    name = printable(card.name)
    lines = [
        f"{name}, compiled for {target} by shufflenet. Its functions allocate no memory, have no "
        "variables and need no library. Several threads may call them at once, each with working "
        f"memory of its own. They return {prefix.upper()}_OK or another code, and after another "
        "code nothing was written.",
    ]
    if "classify" not in names:
        lines.append(
            "It takes no photos, for its preprocessing cannot be compiled: prepare images yourself."
        )
    text = "\n\n".join(map(_wrapped, lines))
    example = textwrap.indent(_example(names, prefix, sizes.shape[0]), "    ")
    origin = _wrapped(
        f"Trained on: {printable(card.origin.data)}. License of the weights: "
        f"{printable(card.origin.licence)}."
    )
    return _comment(f"{text}\n\n{example}\n\n{origin}")


def _example(names: list[str], prefix: str, colors: int) -> str:
    upper = prefix.upper()
    if "classify" in names:
        row = "width" if colors == 1 else f"{colors} * width"
        call = (
            f"int32_t code = {prefix}_classify(memory, pixels, width, height, {row}, {colors}, "
            "values);"
        )
    elif "logits" in names:
        call = f"int32_t code = {prefix}_logits(memory, cropped, values);"
    else:
        call = f"int32_t code = {prefix}_logits_of_image(memory, image, values);"
    return (
        f"static _Alignas({upper}_MEMORY_ALIGNMENT) unsigned char memory[{upper}_MEMORY_BYTES];\n"
        f"float values[{upper}_CLASSES];\n"
        "int32_t best;\n"
        f"{prefix}_prepare(memory, sizeof memory);\n"
        f"{call}\n"
        f"if (code != {upper}_OK) puts({prefix}_message(code));\n"
        f"else if ({prefix}_top(values, 1, &best) == {upper}_OK) puts({prefix}_label(best));"
    )


def _constants(card: Card, sizes: Sizes, upper: str) -> str:
    channels, height, width = sizes.shape
    rows = {
        "CHANNELS": (channels, "of images"),
        "HEIGHT": (height, "of images, px"),
        "WIDTH": (width, "of images, px"),
        "CLASSES": (len(card.labels), ""),
        "MEMORY_BYTES": (sizes.memory_bytes, "working memory of each caller"),
        "MEMORY_ALIGNMENT": (sizes.alignment, "of its address"),
    }
    if sizes.most_source_px:
        rows["MOST_SOURCE_PX"] = (sizes.most_source_px, "longest side of a photo")
    defines = "\n".join(
        f"#define {upper}_{name} {value}{f'  /* {what} */' if what else ''}"
        for name, (value, what) in rows.items()
    )
    codes = "\n".join(
        f"    {upper}_{code.name} = {code.value}{',' if code < max(Code) else ' '} "
        f"/* {MESSAGES[code].replace('{P}', upper)} */"
        for code in Code
    )
    return f"{defines}\n\nenum {{\n{codes}\n}};"


def _function(name: str, prefix: str, how: Preprocess) -> str:
    returns, takes, does = _FUNCTIONS[name]
    space = "" if returns.endswith("*") else " "
    words = {"{P}": prefix.upper(), "{PIXEL}": _PIXELS.get(how.in_channels, "")}
    words["{BYTES}"] = _BYTES[how.channels]
    for place, word in words.items():
        does = does.replace(place, word)
    return f"{_comment(_wrapped(does))}\n{returns}{space}{prefix}_{name}({takes});"


def _comment(text: str) -> str:
    """Return a comment of C; what would end it is written with a space."""
    lines = text.replace("*/", "* /").replace("/*", "/ *").split("\n")
    body = "\n".join(f" * {line}".rstrip() for line in lines[1:])
    return f"/* {lines[0]}{chr(10) + body if body else ''}\n */" if body else f"/* {lines[0]} */"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH)
