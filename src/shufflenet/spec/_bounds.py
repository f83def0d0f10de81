"""The bounds of every field: a file may be a stranger's, and ask for more than any machine has.

They are far above all networks of the family, and low enough that to count a network's layers, to
read its labels or to prepare an image takes seconds at most.
"""

from shufflenet.errors import SpecError

__all__ = [
    "MAX_CARD_BYTES",
    "MAX_CHANNELS",
    "MAX_CLASSES",
    "MAX_COUNT",
    "MAX_CROP_PX",
    "MAX_MODEL_BYTES",
    "MAX_RESIZE_PX",
    "MAX_UNITS",
    "require_one_of",
    "require_short",
    "require_within",
]

MAX_CHANNELS = 1 << 15  # the widest network of the family has 2560
MAX_UNITS = 10_000  # of a whole network; the deepest one has 75
MAX_CLASSES = 1 << 20
MAX_CROP_PX, MAX_RESIZE_PX = 4096, 16384
MAX_COUNT = 10**15  # of images or of steps
MAX_MODEL_BYTES = 1 << 32  # of a file of weights; the largest network takes 1.02 GB
MAX_CARD_BYTES = 1 << 24  # a card of a thousand labels takes 40 kB
_MAX_CHARACTERS = 10_000


def require_one_of(spec: object, field: str, *allowed: object) -> None:
    """Check that a field has one of the allowed values.

    Raises:
        SpecError: it has another value.
    """
    if getattr(spec, field) not in allowed:
        *most, last = map(repr, allowed)
        raise SpecError(field, getattr(spec, field), f"{', '.join(most)} or {last}")


def require_within(spec: object, low: float, high: float, *fields: str) -> None:
    """Check that fields hold numbers from ``low`` to ``high``; NaN is none.

    Raises:
        SpecError: one does not.
    """
    for field in fields:
        value = getattr(spec, field)
        if value < low:
            raise SpecError(field, value, f"at least {low}")
        if not value <= high:
            raise SpecError(field, value, f"at most {high}")


def require_short(spec: object, *fields: str) -> None:
    """Check that texts have at most 10,000 characters.

    Raises:
        SpecError: one is longer.
    """
    for field in fields:
        if len(getattr(spec, field)) > _MAX_CHARACTERS:
            raise SpecError(field, getattr(spec, field), f"at most {_MAX_CHARACTERS} characters")
