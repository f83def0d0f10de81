"""The part of the page about a second model: whether the two differ, and on which classes."""

from shufflenet.analyze import Answers, Comparison, compare
from shufflenet.report.page._html import Html, element, join, name, text
from shufflenet.report.page._parts import Cell, Section, number, sentence, table, unsaid
from shufflenet.report.page._words import apart, counted, percent, whole

__all__ = ["comparison_section"]

_SURE = 0.05  # a p-value below which a difference is called one
_CLASSES = 20  # rows of the table


def comparison_section(answers: Answers, other: Answers) -> Section:
    """Return how a second model answers the same images."""
    title, compared = "Compared with a second model", compare(answers, other)
    if not compared.images:
        reason = "The two models answered no image in common, so they cannot be compared."
        return Section("compared", title, unsaid(reason))
    names = apart(answers.card.name, other.card.name)
    parts = [_verdict(compared, names), _counts(compared, names), _classes(answers, compared)]
    return Section("compared", title, join(parts))


def _verdict(compared: Comparison, names: tuple[str, str]) -> Html:
    shares = [
        (compared.both + alone) / compared.images
        for alone in (compared.first_only, compared.second_only)
    ]
    p_value = compared.p_value
    value = "under 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    differ = (
        "They differ: were they equally good, a difference as large would be rare"
        if p_value < _SURE
        else "Whether they differ cannot be said of so few images: were they equally good, a "
        "difference as large would be common"
    )
    return sentence(
        name(names[0]), text(f" answers {percent(shares[0])} of "),
        text(f"{counted(compared.images, 'image')} correctly, "), name(names[1]),
        text(f" {percent(shares[1])}. {differ} (McNemar's exact test, p {value})."),
    )  # fmt: skip


def _counts(compared: Comparison, names: tuple[str, str]) -> Html:
    columns = [
        Cell(text("")),
        Cell(join([name(names[1]), text(" correct")]), kind="number"),
        Cell(join([name(names[1]), text(" wrong")]), kind="number"),
    ]
    rows = [
        [
            Cell(join([name(names[0]), text(f" {how}")])),
            *(number(whole(count), count) for count in counts),
        ]
        for how, counts in (
            ("correct", (compared.both, compared.first_only)),
            ("wrong", (compared.second_only, compared.neither)),
        )
    ]
    return table("compared-counts", "Images by what both answer", columns, rows)


def _classes(answers: Answers, compared: Comparison) -> Html:
    """Return the classes whose accuracy differs most."""
    gains: dict[int, list[int]] = {}
    for side, places in enumerate((compared.first_wins, compared.second_wins)):
        for place in places:
            gains.setdefault(int(answers.labels[place]), [0, 0])[side] += 1
    ordered = sorted(gains.items(), key=lambda item: (-abs(item[1][0] - item[1][1]), item[0]))
    changed = [(index, alone) for index, alone in ordered if alone[0] != alone[1]][:_CLASSES]
    if not changed:
        return unsaid("No class is answered better by one of them than by the other.")
    columns = [
        Cell(text("Class")),
        Cell(text("Correct only by the first"), kind="number"),
        Cell(text("only by the second"), kind="number"),
    ]
    rows = [
        [Cell(name(answers.card.labels[index].name)), *(number(whole(n), n) for n in alone)]
        for index, alone in changed
    ]
    heading = element("h3", {}, text("Classes on which they differ most"))
    return join(
        [heading, table("compared-classes", "Images that one alone answers", columns, rows)]
    )
