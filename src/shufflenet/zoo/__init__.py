"""The catalog: every network of the family and every published file of weights."""

from shufflenet.zoo._cards import find_published, published_card
from shufflenet.zoo._family import NETWORKS
from shufflenet.zoo._files import (
    DEFAULT,
    SHIPPED,
    WeightFiles,
    find_network,
    find_weights,
    run_checkpoint,
)
from shufflenet.zoo._weights import WEIGHTS, PublishedCost, Source, Weights

__all__ = [
    "DEFAULT",
    "NETWORKS",
    "SHIPPED",
    "WEIGHTS",
    "PublishedCost",
    "Source",
    "WeightFiles",
    "Weights",
    "find_network",
    "find_published",
    "find_weights",
    "published_card",
    "run_checkpoint",
]
