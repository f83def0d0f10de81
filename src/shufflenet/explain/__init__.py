"""Where in an image a network found a class: heat maps, and pictures of them over the photo."""

from shufflenet.explain._explain import (
    Explained,
    Explanation,
    Explanations,
    open_explanations,
)
from shufflenet.explain._explainer import open_explainer
from shufflenet.explain._overlay import overlay
from shufflenet.explain._protocol import Evidence, Explainer
from shufflenet.explain._write import is_heat_map, write_heat_map

__all__ = [
    "Evidence",
    "Explained",
    "Explainer",
    "Explanation",
    "Explanations",
    "is_heat_map",
    "open_explainer",
    "open_explanations",
    "overlay",
    "write_heat_map",
]
