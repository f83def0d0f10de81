"""The first part of the page: how often the model is right, and what to look at first."""

from collections.abc import Sequence

from shufflenet.analyze import (
    Answers,
    ClassRow,
    ConfusedPair,
    Share,
    share_of,
)
from shufflenet.report.page._html import Html, element, join, name, text
from shufflenet.report.page._parts import Section, sentence, unsaid
from shufflenet.report.page._words import counted, percent, whole
from shufflenet.spec import TOP5_CLASSES

__all__ = ["summary_section"]

_TOP = 5
_WORST = 3  # classes that are named


def summary_section(
    answers: Answers,
    rows: Sequence[ClassRow],
    pairs: Sequence[ConfusedPair],
    notes: Sequence[str],
) -> Section:
    """Return accuracy with its interval, and sentences about what stands out.

    Args:
        answers: The answers.
        rows: The classes.
        pairs: The pairs confused most, the first of them first.
        notes: Sentences about the data.
    """
    images = len(answers) + len(answers.unread)
    tiles = [_tile("correct", share_of(int(answers.correct.sum()), images))]
    if answers.card.network.classes >= TOP5_CLASSES:
        among = int((answers.rank <= _TOP).sum())
        tiles.append(_tile(f"correct among the {_TOP} most probable", share_of(among, images)))
    told = [element("ul", {"class": "tiles"}, *tiles)]
    told += [unsaid(each) for each in _unread(answers)]
    told += [sentence(text(each), kind="quiet") for each in notes]
    told += _worst(rows)
    if pairs:
        told.append(_confused(answers, pairs[0]))
    return Section("accuracy", "Accuracy", join(told))


def _tile(what: str, share: Share) -> Html:
    if not share.total:
        return element("li", {}, element("strong", {}, text("-")), text("There are no images."))
    counts = f"{what}: {whole(share.count)} of {counted(share.total, 'image')}"
    interval = f"95 % interval {percent(share.low)} to {percent(share.high)}"
    return element(
        "li", {},
        element("strong", {}, text(percent(share.count / share.total))),
        text(counts), element("br", {}), element("span", {"class": "quiet"}, text(interval)),
    )  # fmt: skip


def _unread(answers: Answers) -> list[str]:
    if not answers.unread:
        return []
    count = counted(
        len(answers.unread), "image cannot be read and counts", "images cannot be read and count"
    )
    return [f"{count} as wrong; nothing else is said of them. errors.csv names them."]


def _worst(rows: Sequence[ClassRow]) -> list[Html]:
    measured = [row for row in rows if row.accuracy.total]
    if len(measured) <= _WORST:
        return []
    worst = sorted(measured, key=lambda row: row.accuracy.count / row.accuracy.total)[:_WORST]
    named = [
        join([name(row.name), text(f" ({percent(row.accuracy.count / row.accuracy.total)})")])
        for row in worst
    ]
    link = element("a", {"href": "#classes"}, text("lowest accuracy"))
    return [sentence(text("The classes of "), link, text(" are "), join(named, ", "), text("."))]


def _confused(answers: Answers, pair: ConfusedPair) -> Html:
    labels = answers.card.labels
    link = element("a", {"href": "#confused"}, text("Most often confused"))
    what = f"{whole(pair.images)} of {counted(pair.of, 'image')} of "
    return sentence(
        link, text(f": {what}"), name(labels[pair.label].name),
        text(" taken for "), name(labels[pair.predicted].name), text("."),
    )  # fmt: skip
