"""A detector's page put together of its parts."""

from shufflenet.report.page._box_photos import missed_section, wrong_section
from shufflenet.report.page._box_sections import (
    box_class_section,
    box_curve_section,
    box_size_section,
    box_summary_section,
)
from shufflenet.report.page._box_subject import BoxSubject
from shufflenet.report.page._html import element, name, text
from shufflenet.report.page._parts import page

__all__ = ["draw_box_page"]


def draw_box_page(subject: BoxSubject) -> bytes:
    """Return the page as HTML."""
    sections = [
        box_summary_section(subject),
        box_class_section(subject),
        box_curve_section(subject),
        box_size_section(subject),
        missed_section(subject),
        wrong_section(subject),
    ]
    source = name(subject.images.source)
    lead = [text("Model "), name(subject.card.name), text(" on "), source, text(".")]
    return page("Which boxes go wrong", element("p", {}, *lead), sections)
