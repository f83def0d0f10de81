"""The catalogue as tables: values in, text out, for the terminal and for ``docs/models.md``."""

from shufflenet.report._facts import Facts, card_facts, network_facts, weights_facts
from shufflenet.report._models_md import models_md
from shufflenet.report._rows import Row, catalogue, matches
from shufflenet.report._words import percent, preprocess_words

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
