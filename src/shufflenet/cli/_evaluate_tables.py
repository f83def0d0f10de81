"""The tables that ``shufflenet evaluate`` writes beside its counts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shufflenet.evaluate import Detail, Mistake
    from shufflenet.spec import Card

__all__ = [
    "DETAIL_COLUMNS",
    "MISTAKE_COLUMNS",
    "detail_row",
    "mistake_row",
]

MISTAKE_COLUMNS = ("path", "label", "predicted", "probability", "error")
DETAIL_COLUMNS = (
    *("path", "label", "predicted", "probability", "rank", "label_probability"),
    *("width", "height", "brightness", "error"),
)


def mistake_row(mistake: "Mistake", card: "Card") -> tuple[object, ...]:
    """Return the row of an image that is answered wrongly."""
    sample, answer = mistake.sample, mistake.predicted
    return (
        sample.place,
        card.labels[sample.label].name,
        answer.label if answer else "",
        f"{answer.probability:.6f}" if answer else "",
        mistake.error.problem if mistake.error else "",
    )


def detail_row(detail: "Detail", card: "Card") -> tuple[object, ...]:
    """Return the row of any image; of one that cannot be read, with empty cells and the reason."""
    photo, answer = detail.photo, detail.predicted
    path, label = photo.sample.place, card.labels[photo.sample.label].name
    if answer is None:
        return path, label, *("",) * 7, detail.error.problem if detail.error else ""
    return (
        path,
        label,
        answer.label,
        f"{answer.probability:.6f}",
        detail.rank,
        f"{detail.own_probability:.6f}",
        photo.width,
        photo.height,
        f"{photo.brightness:.1f}",
        "",
    )
