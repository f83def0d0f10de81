"""Reports: the catalog as text, what a model gets wrong as a page, charts as pictures."""

from shufflenet.report.catalogue import (
    Facts,
    Row,
    describe_card,
    describe_network,
    describe_preprocess,
    describe_weights,
    format_models_md,
    format_percent,
    list_models,
    matches,
)

__all__ = [
    "Facts",
    "Row",
    "describe_card",
    "describe_network",
    "describe_preprocess",
    "describe_weights",
    "format_models_md",
    "format_percent",
    "list_models",
    "matches",
]
