"""The parts of the page about when a model is right: its probabilities, the photos' properties."""

from collections.abc import Callable, Sequence

from shufflenet.analyze import Answers, Group, by_brightness, by_size, calibration
from shufflenet.report.page._charts import Part, draw_parts, draw_reliability, figure
from shufflenet.report.page._html import Html, element, text
from shufflenet.report.page._parts import Section, sentence, unsaid
from shufflenet.report.page._words import apart, percent

__all__ = ["condition_section", "reliability_section"]

_Grouping = Callable[[Answers], tuple[Group, ...]]


def reliability_section(answers: Answers) -> Section:
    """Return the reliability diagram and the expected calibration error."""
    title, measured = "Whether probabilities can be trusted", calibration(answers)
    error, confidence = measured.expected_error, measured.confidence
    if error is None or confidence is None:
        reason = "No image could be read, so nothing can be said of probabilities."
        return Section("reliability", title, unsaid(reason))
    accuracy = measured.accuracy.count / measured.accuracy.total
    gap = confidence - accuracy
    how = "surer than it is right" if gap > 0 else "right more often than it is sure"
    lead = (
        f"On average the model gives its answer {percent(confidence)}, and {percent(accuracy)} of "
        f"the answers are correct: it is {how}. The expected calibration error is {percent(error)}."
    )
    caption = (
        "A bar shows how many of the answers of a probability are correct, its whisker the 95 % "
        "interval. Bars on the dashed line are as probable as they say; below it, the model is too "
        "sure."
    )
    charts = element("div", {"class": "charts"}, figure(draw_reliability(measured.bins), caption))
    return Section("reliability", title, element("div", {}, sentence(text(lead)), charts))


def condition_section(answers: Answers, other: Answers | None) -> Section:
    """Return accuracy by the size and the brightness of photos, also of a second model."""
    drawn = [
        _chart(answers, other, by_size, ("size", "shorter side of the photo, px")),
        _chart(answers, other, by_brightness, ("brightness", "mean of the pixels, 0 to 255")),
    ]
    body = element("div", {"class": "charts"}, *drawn)
    return Section("conditions", "Accuracy by size and brightness", body)


def _chart(
    answers: Answers, other: Answers | None, grouping: _Grouping, names: tuple[str, str]
) -> Html:
    name, axis = names
    groups = grouping(answers)
    if len(groups) < 2:
        same = f"All photos have the same {name}" if groups else "No photo could be read"
        return unsaid(f"{same}, so nothing can be said of accuracy by {name}.")
    parts, others = _parts(groups), _parts(grouping(other)) if other else []
    if [each.name for each in others] != [each.name for each in parts]:
        others = []  # the second model sees other parts of the photos, which fall into other groups
    shares = [part.accuracy for part in parts]
    worst, best = (parts[shares.index(each)] for each in (min(shares), max(shares)))
    is_apart = worst.right.high < best.right.low
    caption = (
        f"Photos of {name} {worst.name} are answered worst ({percent(worst.accuracy)}), those of "
        f"{best.name} best ({percent(best.accuracy)})"
        + ("." if is_apart else "; their intervals overlap, so this may be chance.")
    )
    keys = apart(answers.card.name, other.card.name) if other and others else ()
    return figure(draw_parts(f"Accuracy by {name}", axis, parts, others), caption, keys)


def _parts(groups: Sequence[Group]) -> list[Part]:
    return [Part(_span(group), group.accuracy) for group in groups]


def _span(group: Group) -> str:
    r"""Return the values of a group.

    >>> from shufflenet.analyze import share_of
    >>> _span(Group(64.0, 64.0, share_of(1, 2)))
    '64'
    >>> ascii(_span(Group(64.4, 99.7, share_of(1, 2))))
    "'64\\u2013100'"
    """
    low, high = f"{group.low:.0f}", f"{group.high:.0f}"
    return low if low == high else f"{low}\N{EN DASH}{high}"
