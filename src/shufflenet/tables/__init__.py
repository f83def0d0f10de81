"""The catalogue as tables: values in, text out, for the terminal and for ``docs/models.md``."""

from shufflenet.tables._facts import Facts, card_facts, network_facts, weights_facts
from shufflenet.tables._models_md import models_md
from shufflenet.tables._rows import Row, catalogue, matches
from shufflenet.tables._words import percent, preprocess_words

__all__ = [
    "Facts",
    "Row",
    "card_facts",
    "catalogue",
    "matches",
    "models_md",
    "network_facts",
    "percent",
    "preprocess_words",
    "weights_facts",
]
