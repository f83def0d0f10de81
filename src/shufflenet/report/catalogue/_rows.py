"""The catalog as rows: networks, the model in the package, and every published file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal, TypeAlias

from shufflenet.benchmark import Cost, cost
from shufflenet.spec import Card, NetworkSpec
from shufflenet.zoo import Weights

__all__ = ["OURS", "Get", "Row", "count_cost", "list_models", "matches"]

Get: TypeAlias = Literal["download", "by hand", "in the package"]

OURS = "shufflenet"  # the source of what this package trained itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A network or a checkpoint; a field that does not apply or is unknown is None.

    Attributes:
        name: The name in every command.
        network: The name of a checkpoint's network; a network's own name.
        source: The project that published it; None for a network.
        parameters: The parameters of the network, as this package counts.
        multiply_adds: Of convolutions and linear layers, for ``image_px`` by ``image_px`` pixels.
        memory_access_bytes: Of the same layers, in float32 even if the file computes in int8.
        image_px: The height and width of input images; 224 for a network.
        alias: A shorter name.
        filename: The name of the published file.
        get: How a user gets it.
        url: The address to download it from.
        page: The page on which a person finds it.
        sha256: The hash of the file, or its first digits if no more are published.
        md5: The same, if the source publishes only MD5.
        bytes: The size of the file.
        licence: An SPDX identifier.
        top1_percent: The accuracy that the source states.
        top5_percent: The same.
        published_in: The file or table that states them.
        quantised: Whether the file computes in int8; spelled as in the JSON of ``list``.
        defects: Known errors and doubts.
    """

    name: str
    network: str
    source: str | None
    parameters: int
    multiply_adds: int
    memory_access_bytes: int
    image_px: int | tuple[int, int] = 224
    alias: str | None = None
    filename: str | None = None
    get: Get | None = None
    url: str | None = None
    page: str | None = None
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None
    licence: str | None = None
    top1_percent: float | None = None
    top5_percent: float | None = None
    published_in: str | None = None
    quantised: bool = False
    defects: str | None = None


def list_models(
    networks: dict[str, NetworkSpec],
    weights: Iterable[Weights],
    shipped: Card,
    alias: str,
) -> list[Row]:
    """Return networks, the checkpoint in the package, then published ones by source."""
    return [
        *(_network_row(spec) for spec in networks.values()),
        _shipped_row(shipped, alias),
        *(_weights_row(each, networks[each.network]) for each in weights),
    ]


def matches(row: Row, pattern: str) -> bool:
    """Whether a row's names contain each word of a pattern, or match it if it has ``*`` or ``?``.

    Names are those of the row, its network, its source and its published file, and its alias.
    Case is ignored, and so is punctuation except in filenames: "ShuffleNetV2+" finds
    shufflenet_v2_plus, and "1.0x" finds x1_0.

    >>> row = Row(name="v2_plus_x1_0.zoo_in1k", network="v2_plus_x1_0", source="zoo",
    ...           filename="A-5666bf.pth", parameters=1, multiply_adds=1, memory_access_bytes=1)
    >>> [matches(row, text) for text in ("5666", "ZOO", "a*.pth", "a?", "torch")]
    [True, True, True, False, False]
    >>> [matches(row, text) for text in ("V2+", "1.0x zoo", "x1.0", "zoo torch", "x1 5666")]
    [True, True, True, False, True]
    """
    titles = [name for name in (row.name, row.network, row.source, row.alias) if name]
    names = [name.lower() for name in (*titles, row.filename) if name]
    plain = [_strip_punctuation(name) for name in titles]
    return all(_matches_word(word, names, plain) for word in pattern.lower().split())


def _matches_word(word: str, names: Iterable[str], plain: Iterable[str]) -> bool:
    if "*" in word or "?" in word:
        return any(fnmatchcase(name, word) for name in names)
    letters = _strip_punctuation(word)
    return any(word in name for name in names) or any(letters and letters in name for name in plain)


def _strip_punctuation(name: str) -> str:
    """Return the letters and digits of a name, with widths as in this package's names.

    >>> _strip_punctuation("ShuffleNetV2+ 0.5x"), _strip_punctuation("shufflenet_v2_x0_5")
    ('shufflenetv2plusx05', 'shufflenetv2x05')
    """
    widths = re.sub(r"(?<![a-z0-9])(\d+[._]\d+)x(?![a-z0-9])", r"x\1", name.lower())
    return "".join(filter(str.isalnum, widths.replace("+", "plus")))


@cache
def count_cost(spec: NetworkSpec, height: int = 224, width: int = 224) -> Cost:
    """Return the cost of a network, counted once for all of its checkpoints."""
    return cost(spec, height, width)


def _network_row(spec: NetworkSpec) -> Row:
    costs = count_cost(spec)
    return Row(
        name=spec.name,
        network=spec.name,
        source=None,
        parameters=costs.parameters,
        multiply_adds=costs.multiply_adds,
        memory_access_bytes=costs.memory_access_bytes,
    )


def _shipped_row(card: Card, alias: str) -> Row:
    costs = count_cost(card.network, *card.preprocess.size_px)
    accuracy = card.accuracy
    return Row(
        name=card.name,
        network=card.network.name,
        source=OURS,
        parameters=costs.parameters,
        multiply_adds=costs.multiply_adds,
        memory_access_bytes=costs.memory_access_bytes,
        image_px=card.preprocess.crop_px,
        alias=alias,
        get="in the package",
        licence=card.origin.licence.partition(";")[0] or None,
        top1_percent=round(accuracy.top1_percent, 3) if accuracy else None,
        top5_percent=round(accuracy.top5_percent, 3) if accuracy else None,
        published_in=f"its card: {accuracy.images:,} images of validation" if accuracy else None,
    )


def _weights_row(weights: Weights, spec: NetworkSpec) -> Row:
    how, published = weights.preprocess, weights.published
    costs = count_cost(spec, *how.size_px)
    return Row(
        name=weights.name,
        network=weights.network,
        source=weights.source,
        parameters=costs.parameters,
        multiply_adds=costs.multiply_adds,
        memory_access_bytes=costs.memory_access_bytes,
        image_px=how.crop_px,
        filename=weights.filename,
        get="download" if weights.url else "by hand",
        url=weights.url or None,
        page=weights.page or None,
        sha256=weights.sha256 or None,
        md5=weights.md5 or None,
        bytes=weights.bytes or None,
        licence=weights.licence,
        top1_percent=published.top1_percent if published else None,
        top5_percent=published.top5_percent if published else None,
        published_in=published.source if published else None,
        quantised=weights.quantized,
        defects=weights.defects or None,
    )
