"""The catalog as text: for the terminal and for ``docs/models.md``."""

from shufflenet.report.catalogue._facts import (
    Facts,
    describe_card,
    describe_network,
    describe_weights,
)
from shufflenet.report.catalogue._models_md import format_models_md
from shufflenet.report.catalogue._rows import Row, list_models, matches
from shufflenet.report.catalogue._words import describe_preprocess, format_percent

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
