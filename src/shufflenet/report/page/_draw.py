"""The page put together of its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shufflenet.analyze import (
    Answers,
    Duplicate,
    Suspect,
    class_rows,
    confident_mistakes,
    confused_pairs,
    count_confusion,
)
from shufflenet.report.page._charts import draw_curves
from shufflenet.report.page._classes import class_section
from shufflenet.report.page._comparison import comparison_section
from shufflenet.report.page._confusions import confusion_section
from shufflenet.report.page._duplicates import draw_duplicates
from shufflenet.report.page._heat import Heat
from shufflenet.report.page._html import element, join, name, text
from shufflenet.report.page._mistakes import mistake_section
from shufflenet.report.page._parts import Section, page, unsaid
from shufflenet.report.page._reliability import condition_section, reliability_section
from shufflenet.report.page._summary import summary_section
from shufflenet.report.page._suspects import suspect_section

__all__ = ["Subject", "draw_page"]

_PHOTOS = 48  # of errors, and of labels
_PAIRS = 24  # of photos that are nearly the same


@dataclass(frozen=True, eq=False, slots=True)
class Subject:
    """What a page is about.

    Attributes:
        answers: A model's answers to labeled images.
        heat: What draws heat maps of the model, or a sentence why there are none.
        suspects: The images whose label is probably wrong.
        duplicates: Images that are nearly the same as another of the same data, or a sentence why
            none was looked for.
        leaked: Images that are nearly the same as one trained on, or why none was looked for; an
            empty text where the reason is that of ``duplicates``.
        other: A second model's answers to the same images.
        epochs: Of a training run, the rows of ``read_metrics``; none of other data.
        notes: Sentences about the data.
    """

    answers: Answers
    heat: Heat | str
    suspects: Sequence[Suspect]
    duplicates: Sequence[Duplicate] | str
    leaked: Sequence[Duplicate] | str
    other: Answers | None = None
    epochs: Sequence[Mapping[str, Any]] = ()
    notes: tuple[str, ...] = ()


def draw_page(subject: Subject) -> bytes:
    """Return the page as HTML."""
    answers = subject.answers
    confusion = count_confusion(answers)
    rows = class_rows(answers, confusion)
    pairs = confused_pairs(confusion, 1)
    mistakes = confident_mistakes(answers, _PHOTOS)
    sections = [summary_section(answers, rows, pairs, subject.notes)]
    if subject.other is not None:
        sections.append(comparison_section(answers, subject.other))
    sections += [
        confusion_section(answers, confusion),
        class_section(rows),
        mistake_section(answers, mistakes, subject.heat),
        suspect_section(answers, subject.suspects, subject.heat, _PHOTOS),
        _twins(subject),
        reliability_section(answers),
        condition_section(answers, subject.other),
    ]
    if subject.epochs:
        sections.append(Section("curves", "Training", draw_curves(subject.epochs)))
    lead = [text("Model "), name(answers.card.name), text(" on "), name(answers.source), text(".")]
    return page("Which images go wrong", element("p", {}, *lead), sections)


def _twins(subject: Subject) -> Section:
    labels = subject.answers.card.labels
    parts = []
    for found, where in (
        (subject.duplicates, "of these images"),
        (subject.leaked, "that the model was trained on"),
    ):
        if isinstance(found, str):
            parts.append(unsaid(found) if found else text(""))
        else:
            parts.append(draw_duplicates(found, labels, where=where, shown=_PAIRS))
    return Section("twins", "Photos that are nearly the same", join(parts))
