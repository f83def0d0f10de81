"""The part of the page about images whose label is probably wrong."""

from collections.abc import Sequence

from shufflenet.analyze import Answers, Suspect
from shufflenet.report.page._heat import Heat, draw_heat
from shufflenet.report.page._html import Html, join, name, text
from shufflenet.report.page._parts import Section, sentence, unsaid
from shufflenet.report.page._photos import gallery, photo, read_picture
from shufflenet.report.page._words import counted, percent, whole

__all__ = ["suspect_section"]


def suspect_section(
    answers: Answers, suspects: Sequence[Suspect], heat: Heat | str, shown: int
) -> Section:
    """Return the images whose label is probably wrong, in the order given.

    Args:
        answers: The answers that they are found in.
        suspects: All that were found.
        heat: What draws heat maps, or a sentence why there are none.
        shown: How many are shown.
    """
    title = "Labels that may be wrong"
    if not suspects:
        reason = "No label is contradicted: every image that could be read is correct."
        return Section("labels", title, unsaid(reason))
    sure = sum(each.confident for each in suspects)
    lead = (
        "Images that the model answers otherwise, those first to whose label it gives least. "
        "Look at them before you believe it: a rare photo of the class looks the same to it. "
        f"{_counted_sure(sure)} (confident learning)."
    )
    if len(suspects) > shown:
        lead += f" Shown are the first {whole(shown)}."
    photos = [_photo(answers, each, heat) for each in suspects[:shown]]
    return Section("labels", title, join([sentence(text(lead)), gallery(photos)]))


def _photo(answers: Answers, suspect: Suspect, heat: Heat | str) -> Html:
    sample, labels = answers.samples[suspect.place], answers.card.labels
    label, other = labels[suspect.label].name, labels[suspect.suggested].name
    told = join([
        text("Labeled "), name(label),
        text(f" ({percent(suspect.label_probability)}), answered "), name(other),
        text(f" ({percent(suspect.suggested_probability)})."),
    ])  # fmt: skip
    pictures = [read_picture(sample, f"Labeled {label}")]
    if not isinstance(heat, str):
        pictures.append(draw_heat(heat, sample, suspect.suggested, other))
    return photo(pictures, told, [sample])


def _counted_sure(sure: int) -> str:
    """Return how many labels are contradicted as surely as right ones are confirmed.

    >>> _counted_sure(1)
    '1 label is contradicted as surely as the model is of other images of the class it answers'
    """
    labels = counted(sure, "label is", "labels are")
    return (
        f"{labels} contradicted as surely as the model is of other images of the class it answers"
    )
