"""What is known of a published file, as the card it should have carried."""

import hashlib
from pathlib import Path

from shufflenet.labels import label_set
from shufflenet.spec import Card, Origin
from shufflenet.zoo._networks import NETWORKS
from shufflenet.zoo._weights import WEIGHTS, Weights

__all__ = ["find_published", "published_card"]


def published_card(weights: Weights) -> Card:
    """Make the card of a published file."""
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


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def find_published(path: str | Path) -> Weights | None:
    """Find the published file that a file is, by its hash.

    Raises:
        OSError: the file cannot be read.
    """
    content = Path(path).read_bytes()
    sha256, md5 = hashlib.sha256(content).hexdigest(), _md5(content)
    for weights in WEIGHTS.values():
        if weights.sha256 and sha256.startswith(weights.sha256.lower()):
            return weights
        if weights.md5 and md5 == weights.md5.lower():
            return weights
    return None
