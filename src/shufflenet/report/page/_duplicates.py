"""The part of the page about images that are the same photo, or nearly."""

from collections.abc import Sequence

from shufflenet.analyze import Duplicate
from shufflenet.report.page._html import Html, join, name, text
from shufflenet.report.page._parts import sentence, unsaid
from shufflenet.report.page._photos import gallery, photo, read_picture
from shufflenet.report.page._words import counted, whole
from shufflenet.spec import Label

__all__ = ["draw_duplicates"]


def draw_duplicates(
    duplicates: Sequence[Duplicate], labels: Sequence[Label], *, where: str, shown: int
) -> Html:
    """Return pairs of images that are alike, those with two labels first.

    Args:
        duplicates: All pairs.
        labels: The model's classes.
        where: Where the pairs are, as the end of a sentence.
        shown: How many are shown.
    """
    if not duplicates:
        return unsaid(f"No image is nearly the same as another {where}.")
    several = sum(not each.same_label for each in duplicates)
    lead = (
        f"{counted(len(duplicates), 'image is', 'images are')} nearly the same as another {where}."
    )
    if several:
        pairs = counted(several, "pair has", "pairs have")
        lead += f" Of them, {pairs} two labels, of which one is wrong."
    if len(duplicates) > shown:
        lead += f" Shown are {whole(shown)}."
    ordered = sorted(duplicates, key=lambda each: (each.same_label, -each.correlation))
    photos = [_photo(each, labels) for each in ordered[:shown]]
    return join([sentence(text(lead)), gallery(photos)])


def _photo(duplicate: Duplicate, labels: Sequence[Label]) -> Html:
    samples = duplicate.other, duplicate.sample
    names = [labels[each.label].name for each in samples]
    pictures = [
        read_picture(each, f"Labeled {label}") for each, label in zip(samples, names, strict=True)
    ]
    if duplicate.same_label:
        told = join([text("Both labeled "), name(names[0]), text(".")])
    else:
        told = join([text("Labeled "), name(names[0]), text(" and "), name(names[1]), text(".")])
    return photo(pictures, told, samples)
