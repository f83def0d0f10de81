"""The part of the page about the errors made most confidently, with photos and heat maps."""

from collections.abc import Sequence

from shufflenet.analyze import Answers, ConfidentMistake
from shufflenet.report.page._heat import Heat, draw_heat
from shufflenet.report.page._html import Html, join, name, text
from shufflenet.report.page._parts import Section, sentence, unsaid
from shufflenet.report.page._photos import gallery, photo, read_picture
from shufflenet.report.page._words import percent

__all__ = ["mistake_section"]


def mistake_section(
    answers: Answers, mistakes: Sequence[ConfidentMistake], heat: Heat | str
) -> Section:
    """Return the errors with their photos, and heat maps of the classes answered.

    Args:
        answers: The answers.
        mistakes: The errors to show, the most confident first.
        heat: What draws heat maps, or a sentence why there are none.
    """
    title = "Errors made most confidently"
    if not mistakes:
        return Section("errors", title, unsaid("Every image that could be read is correct."))
    parts = []
    if isinstance(heat, str):
        parts.append(unsaid(heat))
    else:
        words = (
            "Beside each photo is where the model found the class that it answered: the lighter "
            "and yellower, the more it spoke for it. What is dark was cropped off and not seen."
        )
        parts.append(sentence(text(words), kind="quiet"))
    photos = [_photo(answers, each, heat) for each in mistakes]
    return Section("errors", title, join([*parts, gallery(photos)]))


def _photo(answers: Answers, mistake: ConfidentMistake, heat: Heat | str) -> Html:
    sample, labels = answers.samples[mistake.place], answers.card.labels
    label, answer = labels[mistake.label].name, labels[mistake.predicted].name
    told = join([
        name(answer), text(f" ({percent(mistake.probability)}), labeled "), name(label),
        text(f" ({percent(mistake.own_probability)})."),
    ])  # fmt: skip
    pictures = [read_picture(sample, f"Labeled {label}")]
    if not isinstance(heat, str):
        pictures.append(draw_heat(heat, sample, mistake.predicted, answer))
    return photo(pictures, told, [sample])
