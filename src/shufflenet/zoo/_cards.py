"""The card of a published file, which the file itself lacks."""

import hashlib
from pathlib import Path

from shufflenet.labels import label_set
from shufflenet.outside import open_regular
from shufflenet.spec import MAX_MODEL_BYTES, Card, Origin
from shufflenet.zoo._family import NETWORKS
from shufflenet.zoo._weights import WEIGHTS, Weights

__all__ = ["find_published", "published_card"]

_CHUNK_BYTES = 1 << 20


def published_card(weights: Weights) -> Card:
    """Return the card of a published file of weights, from the facts in the catalog."""
    return Card(
        name=weights.name,
        network=NETWORKS[weights.network],
        preprocess=weights.preprocess,
        labels=label_set(weights.labels),
        origin=Origin(
            data="ImageNet-1k (ILSVRC 2012)",
            licence=weights.licence,
            started_from=weights.filename,
            software=weights.source,
        ),
        published=weights.published,
    )


def find_published(path: str | Path) -> Weights | None:
    """Return the entry of the catalog whose hash a file has, or None if no entry has it.

    Raises:
        OSError: it is no regular file, is too large, or cannot be read.
    """
    with open_regular(path, MAX_MODEL_BYTES) as file:
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            md5.update(chunk)
    for weights in WEIGHTS.values():
        if weights.sha256 and sha256.hexdigest().startswith(weights.sha256.lower()):
            return weights
        if weights.md5 and md5.hexdigest() == weights.md5.lower():
            return weights
    return None
