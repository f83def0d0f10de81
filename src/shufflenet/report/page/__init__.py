"""One page about what a model gets wrong, which opens without a network, and tables beside it."""

from shufflenet.report.page._box_subject import BoxSubject
from shufflenet.report.page._draw import Subject, draw_page
from shufflenet.report.page._heat import Heat, heat_of
from shufflenet.report.page._write import check_report_folder, write_report

__all__ = [
    "BoxSubject",
    "Heat",
    "Subject",
    "check_report_folder",
    "draw_page",
    "heat_of",
    "write_report",
]
